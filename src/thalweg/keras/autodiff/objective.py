"""What a model minimises, as a function of its weights, in operations of Keras alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops, tree
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask

from thalweg.keras.autodiff.logits import Seen, links, seeing_activations
from thalweg.keras.autodiff.precision import whole_precision
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.put_back import undisturbed
from thalweg.keras.stateless import Stateless


@dataclass(frozen=True)
class Heads:
    """What the network hands to the loss, within one trace.

    `values` are the outputs, flat, or the logits behind those that have a link; `links` make outputs of
    values; `added` is what layers added to the loss; `variables` pairs each variable with its value.
    """

    values: list[Any]
    links: list[Callable[[Any], Any] | None]
    masks: list[Any]
    structure: Any
    added: list[Any]
    variables: list[tuple[Any, Any]]

    def at(self, trainable: list[Any], fixed: list[Any], masks: list[Any]) -> "Heads":
        """The same, with the variables' values and the masks as another trace knows them."""
        values = [*trainable, *fixed]
        variables = [(variable, value) for (variable, _), value in zip(self.variables, values, strict=True)]
        return replace(self, variables=variables, masks=masks)

    def outputs(self, values: list[Any]) -> Any:
        """The model's outputs, with their masks, made of other values of the same shapes."""
        leaves = []
        for value, link, mask in zip(values, self.links, self.masks, strict=True):
            leaf = value if link is None else link(value)
            if mask is not None:
                set_keras_mask(leaf, mask)
            leaves.append(leaf)
        return tree.pack_sequence_as(self.structure, leaves)


class Objective:
    """The terms that a model's training adds up: each compiled loss, what layers add, the penalty.

    A model with a `compute_loss` of its own has one term. Half precision is put aside: a mixed model is looked
    at in the precision that its weights are kept in, where rounding does not hide the curvature.
    """

    def __init__(self, model: keras.Model, batch: Batch, training: bool) -> None:
        self.model, self.training = model, training
        self.own = type(model).compute_loss is not keras.Model.compute_loss
        self.variables = list(model.trainable_variables)
        self.shapes = [tuple(variable.shape) for variable in self.variables]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]
        dtypes = [str(keras.backend.standardize_dtype(variable.dtype)) for variable in self.variables]
        self.dtype = "float64" if "float64" in dtypes else "float32"
        self._dtypes = dtypes
        self._compiled = None if self.own else self._compiled_loss(batch)

    @property
    def reductions(self) -> list[str | None]:
        """Of each compiled loss: "mean", "sum", or None where only trying shows it."""
        if self._compiled is None:
            return [None]
        return [
            None if not _plain(loss) else "sum" if loss.reduction == "sum" else "mean"
            for _, loss, *_ in self._compiled._flat_losses
        ]

    def split(self, flat: Any) -> list[Any]:
        """The trainable variables' values from a flat tensor (p,)."""
        ends = np.cumsum(self.sizes)[:-1].tolist()
        pieces = (
            ops.split(flat, ends) if ends else [flat]
        )  # PyTorch and TensorFlow split at no place into nothing
        return [
            ops.cast(ops.reshape(piece, shape), dtype)
            for piece, shape, dtype in zip(pieces, self.shapes, self._dtypes, strict=True)
        ]

    def join(self, values: list[Any]) -> Any:
        """A flat tensor (p,) from one for each trainable variable."""
        return ops.concatenate([ops.cast(ops.reshape(value, (-1,)), self.dtype) for value in values])

    def value(self, trainable: list[Any], fixed: list[Any], batch: Any, shares: Any) -> Any:
        """The objective, each term weighted by its share."""
        return self.weighted(self.terms(trainable, fixed, batch), shares)

    def weighted(self, terms: list[Any], shares: Any) -> Any:
        """The sum of the terms, each times its share; `shares` may be longer."""
        terms = [ops.cast(term, self.dtype) for term in terms]
        if shares is not None:
            terms = [term * ops.cast(shares[index], self.dtype) for index, term in enumerate(terms)]
        return sum(terms)

    def terms(self, trainable: list[Any], fixed: list[Any], batch: Any) -> list[Any]:
        """Scalars: of each compiled loss, of what each layer adds, and of all penalties."""
        heads = self.network(trainable, fixed, batch, see=False)
        if self.own:
            return [ops.cast(self._computed(heads, trainable, batch), self.dtype)]
        losses = self.losses(heads, heads.values, batch)
        added = [ops.cast(ops.sum(loss), self.dtype) for loss in heads.added]
        return [*(ops.cast(loss, self.dtype) for loss in losses), *added, self.penalty(trainable)]

    def network(self, trainable: list[Any], fixed: list[Any], batch: Any, see: bool = True) -> Heads:
        """A pass through the model; asked to `see`, the heads hold logits where these are what counts."""
        seen: list[Seen] = []
        arguments = {"training": self.training} if self.model._call_has_training_arg else {}
        with seeing_activations(self.model, seen):
            outputs, _, losses = self.model.stateless_call(
                trainable, fixed, batch[0], return_losses=True, **arguments
            )
        held = [*self.model.trainable_variables, *self.model.non_trainable_variables]
        variables = list(zip(held, [*trainable, *fixed], strict=True))
        penalties = sum(variable.regularizer is not None for variable in self.model.trainable_weights)
        leaves = tree.flatten(outputs)
        found: list[Seen | None] = [None] * len(leaves)
        if see:
            pairs = self._each(outputs, variables, batch, lambda loss, _, predicted, __: (loss, predicted))
            found = links(leaves, [pair for pair, _ in pairs], seen)
        return Heads(
            [leaf if link is None else link.logits for leaf, link in zip(leaves, found, strict=True)],
            [None if link is None else link.function for link in found],
            [get_keras_mask(leaf) for leaf in leaves],
            outputs,
            losses[: len(losses) - penalties],
            variables,
        )

    def losses(self, heads: Heads, values: list[Any], batch: Any) -> list[Any]:
        """Each compiled loss, weighted as compiled, a scalar."""
        found = self._each(heads.outputs(values), heads.variables, batch, lambda loss, *given: loss(*given))
        return [value * weight for value, weight in found]

    def penalty(self, trainable: list[Any], shares: Any = None) -> Any:
        """The penalties on the weights, the last of the terms, times its share."""
        terms = [
            ops.cast(variable.regularizer(value), self.dtype)
            for variable, value in zip(self.variables, trainable, strict=True)
            if variable.regularizer is not None
        ]
        total = sum(terms) if terms else ops.zeros((), self.dtype)
        return total if shares is None else total * ops.cast(shares[-1], self.dtype)

    def each(self, trainable: list[Any], fixed: list[Any], batch: Any, what: str) -> list[Any]:
        """Of each compiled loss and each example (m,): its weighted "loss", or its "count" in the mean.

        A scalar stands for a loss that has none for each example; of a model's own `compute_loss` there is none.
        """
        if self.own:
            return []

        def loss_of(loss: Any, *given: Any) -> Any:
            alone = _copied(loss)
            alone.reduction = "none"
            return alone(*given)

        def count_of(loss: Any, target: Any, output: Any, weights: Any) -> Any:
            counted = _copied(loss)
            counted.reduction = "none"

            def ones(*given: Any) -> Any:
                values = loss.call(*given)
                one = ops.ones_like(values)
                mask = get_keras_mask(values)  # TensorFlow's AutoGraph knows no `:=`
                if mask is not None:
                    set_keras_mask(one, mask)
                return one

            counted.call = ones
            return counted(target, output, weights if loss.reduction == "mean_with_sample_weight" else None)

        def asked(loss: Any, target: Any, output: Any, weights: Any) -> Any:
            if not _plain(loss):
                return ops.zeros(())
            value = (loss_of if what == "loss" else count_of)(loss, target, output, weights)
            if len(value.shape) == 0 or value.shape[0] != output.shape[0]:
                return ops.zeros(())
            return ops.sum(ops.reshape(value, (value.shape[0], -1)), axis=1)

        heads = self.network(trainable, fixed, batch, see=False)
        found = self._each(heads.outputs(heads.values), heads.variables, batch, asked)
        return [value * weight if what == "loss" else value for value, weight in found]

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Within it the model can be traced or called: it is left as it was."""
        with undisturbed(self.model, self.training), whole_precision(self.model, self.dtype):
            yield

    def _computed(self, heads: Heads, trainable: list[Any], batch: Any) -> Any:
        inputs, targets, weights = batch
        attributes = vars(self.model)
        override = attributes["_losses_override"]  # what `model.losses` is, where it is not empty
        attributes["_losses_override"] = [*heads.added, self.penalty(trainable)]
        try:
            with keras.StatelessScope(state_mapping=heads.variables):
                outputs = heads.outputs(heads.values)
                return self.model._compute_loss(inputs, targets, outputs, weights, training=self.training)
        finally:
            attributes["_losses_override"] = override

    def _each(
        self, outputs: Any, variables: list[tuple[Any, Any]], batch: Any, function: Callable[..., Any]
    ) -> list[tuple[Any, Any]]:
        """What the function makes of (loss, target, output, weights), and the loss's weight, for each loss."""
        found: list[tuple[Any, Any]] = []

        def heard(loss: Any, weight: Any) -> Callable[..., Any]:
            def call(target: Any, output: Any, weights: Any) -> Any:
                found.append((function(loss, target, output, weights), 1.0 if weight is None else weight))
                return ops.zeros(())

            return call

        compiled = _copied(self._compiled)
        entries = [
            entry._replace(loss=heard(entry.loss, entry.loss_weights)) for entry in compiled._flat_losses
        ]
        compiled._flat_losses, compiled._metrics = entries, [None] * len(entries)
        with keras.StatelessScope(state_mapping=variables):
            compiled(batch[1], outputs, batch[2])
        return found

    def _compiled_loss(self, batch: Batch) -> Any:
        compiled = self.model._compile_loss
        if compiled.built:
            return _copied(compiled)
        fresh = type(compiled)(
            compiled._user_loss, compiled._user_loss_weights, compiled.reduction, compiled.output_names
        )
        called = Stateless(self.model)
        inputs, targets, _ = mapped(lambda array: array[:1], batch)
        fresh.build(targets, called.predict(called.values(), inputs))
        return fresh


def _copied(loss: Any) -> Any:
    """A shallow copy; `copy.copy` would have Keras write the loss to a file and read it back."""
    copied = object.__new__(type(loss))
    vars(copied).update(vars(loss))
    return copied


def _plain(loss: Any) -> bool:
    """Whether the loss is reduced as Keras's are."""
    return isinstance(loss, keras.Loss) and type(loss).__call__ is keras.Loss.__call__
