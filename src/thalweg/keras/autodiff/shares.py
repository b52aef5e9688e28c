"""What share of each term of the objective a chunk of the examples has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.errors import UnsupportedError
from thalweg.keras.autodiff.derivatives import Derivatives, Part
from thalweg.keras.autodiff.objective import Objective


@dataclass(frozen=True)
class Shares:
    """`counts` (terms, n) is what each example counts in the mean that a term is; `sums` which add up instead."""

    counts: NDArray[Any]
    sums: NDArray[Any]

    def of(self, chunk: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
        """The share of the examples numbered in `chunk` among those in `whole`, (terms,).

        Where none of `whole` counts, the term is nought and so is its share.
        """
        part, all_of_them = self.counts[:, chunk].sum(axis=1), self.counts[:, whole].sum(axis=1)
        share = np.divide(part, all_of_them, out=np.zeros(len(part)), where=all_of_them != 0.0)
        return np.where(self.sums, 1.0, share)


def shares(derivatives: Derivatives, parts: Iterable[Part], trial: Sequence[Part], examples: int) -> Shares:
    """The shares of all terms; `parts` are all the examples, `trial` some of them followed by their two halves.

    How Keras reduces a compiled loss is known, with masks and weights. Of what layers add, of a loss that
    returns one number and of a model's own `compute_loss` it is not: a term that is the mean of those of the
    two halves is a mean, one that is their sum a sum. Raises `UnsupportedError` for one that is neither.
    """
    counted = every_example(derivatives, parts, "count")
    whole = derivatives.terms(trial[0])
    counts, sums = np.ones((len(whole), examples)), np.zeros(len(whole), bool)
    reductions = derivatives.objective.reductions
    unknown = []
    for term in range(len(whole) if derivatives.objective.own else len(whole) - 1):  # the last is the penalty
        count = counted[term] if term < len(counted) else None
        if count is None or reductions[term] is None:
            unknown.append(term)
        else:
            counts[term], sums[term] = count, reductions[term] == "sum"
    if unknown:
        sums[unknown] = _adding_up(derivatives, whole, trial)[unknown]
    return Shares(counts, sums)


def only_means(objective: Objective) -> bool:
    """Whether each term is known to be a mean over the examples, without a pass through the model.

    Of what layers add it is not: activity regularizers are means in one Keras and were sums in another.
    """
    return set(objective.reductions) <= {"mean"} and not any(
        layer.activity_regularizer is not None or not type(layer).__module__.startswith("keras.")
        for layer in objective.model._flatten_layers(include_self=True)
    )


def _adding_up(derivatives: Derivatives, whole: NDArray[Any], trial: Sequence[Part]) -> NDArray[Any]:
    """Which terms are the sum of those of the two halves and not their mean."""
    first, second = (derivatives.terms(part) for part in trial[1:])
    tolerance = np.sqrt(np.finfo(derivatives.objective.dtype).eps)
    close = tolerance * np.max(np.abs([whole, first, second]), axis=0)
    mean = (trial[1].examples * first + trial[2].examples * second) / trial[0].examples
    means, adds = np.abs(whole - mean) <= close, np.abs(whole - first - second) <= close
    for term in np.flatnonzero(~means & ~adds):
        raise UnsupportedError(
            f"Term {term + 1} of the loss is neither a mean nor a sum over the examples: take all of them in one "
            "chunk."
        )
    found: NDArray[Any] = adds & ~means
    return found


def every_example(derivatives: Derivatives, parts: Iterable[Part], what: str) -> list[NDArray[Any] | None]:
    """`Objective.each` of all parts, (n,) for each compiled loss; None where it has none."""
    found = zip(*(derivatives.each(part, what) for part in parts), strict=True)
    return [np.concatenate(each) if all(one.ndim for one in each) else None for each in found]
