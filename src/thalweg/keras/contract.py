"""The contract of output, loss and targets: what was compiled, and what the loss makes of a batch."""

import inspect
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree
from numpy.typing import NDArray

from thalweg.keras.feed import Batch
from thalweg.keras.probe_batch import ProbeBatch
from thalweg.keras.stateless import Stateless, Values, answers, as_numpy, unseen
from thalweg.stats.targets import TargetKind, constant_prediction_loss, target_kind

_PAIRS = 4
_ELEMENTS = 1_000_000
"""Of the outputs that one call of the loss is given, at most."""


def loss_facts(model: keras.Model) -> list[dict[str, Any]]:
    """The compiled losses, one an output; empty where there are none."""
    asked = getattr(model, "loss", None)
    names = list(getattr(model, "output_names", None) or [])
    if isinstance(asked, dict) and set(asked) <= set(names):
        asked = [asked.get(name) for name in names]
    given = tree.flatten(asked) if isinstance(asked, dict | list | tuple) else [asked]
    if len(given) == 1 and len(names) > 1:
        given *= len(names)
    if all(loss is None for loss in given):
        return []
    weights = getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)
    facts = [{**_loss_fact(loss), "weighted": weights is not None} for loss in given]
    flat = tree.flatten(weights)
    if len(facts) == len(flat) == 1 and isinstance(flat[0], int | float):
        facts[0]["weight"] = float(flat[0])
    return facts


def contract_facts(
    model: keras.Model,
    batch: Batch,
    trainable: list[Any] | None = None,
    fixed: list[Any] | None = None,
    probe: ProbeBatch | None = None,
) -> dict[str, Any]:
    """What the loss makes of the outputs and targets of `batch`, at these values of the variables.

    `probe`, where there is one for the same batch, saves compiling its functions again. What cannot be
    measured is left out; nothing of the model changes.
    """
    if not answers(model):
        return {}
    probe = probe or ProbeBatch(batch)
    called = probe.called(model)
    values = called.values(trainable, fixed)
    outputs = called.predict(values, probe.inputs)
    facts: dict[str, Any] = {
        "reported_loss": called.loss(values, probe.targets, outputs, probe.weights),
        "recomputed_loss": called.loss(values, probe.targets, unseen(outputs), probe.weights),
    }
    leaves = tree.flatten(outputs)
    targets = [np.asarray(leaf) for leaf in tree.flatten(probe.targets) if leaf is not None]
    if len(leaves) == 1:
        output = as_numpy(leaves[0])
        facts |= dict(_ranges(output))
        facts["affine_gap"] = _affine_gap(called, values, probe.inputs, output)
        if len(targets) == 1:
            axes = {"outputs": list(output.shape[1:]), "targets": list(targets[0].shape[1:])}
            facts["example_axis"] = axes
            width = output.shape[-1] if output.ndim > 1 else 1
            examples = (probe.inputs, probe.targets, probe.weights)
            facts["constant_prediction_loss"] = constant_loss(loss_facts(model), examples, width)
            if not tree.is_nested(probe.targets) and not tree.is_nested(outputs):
                facts |= dict(_Layout(called, values, targets[0], output).facts())
    return {name: fact for name, fact in facts.items() if fact is not None and fact == fact}


def _loss_fact(loss: Any) -> dict[str, Any]:
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            return {"name": loss, "class": None, "own": False}
    if loss is None:
        return {"name": None, "class": None, "own": False}
    instance = isinstance(loss, keras.losses.Loss)
    function = getattr(loss, "fn", None) if instance else loss
    name = getattr(function, "__name__", None) or getattr(loss, "name", None) or type(loss).__name__
    module = type(loss).__module__ if instance else getattr(function, "__module__", None) or ""
    own = not module.startswith("keras.")
    kind = type(loss).__name__ if instance else "".join(part.capitalize() for part in str(name).split("_"))
    given = {**_defaults(function), **getattr(loss, "_fn_kwargs", {})}
    return {
        "name": str(name),
        "class": kind if instance or hasattr(keras.losses, kind) else str(name),
        "from_logits": _plain(given.get("from_logits"), bool),
        "reduction": str(getattr(loss, "reduction", "sum_over_batch_size")),
        "label_smoothing": _plain(given.get("label_smoothing"), float),
        "ignore_class": _plain(given.get("ignore_class"), int),
        "own": own,
    }


def _defaults(function: Any) -> dict[str, Any]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _plain(value: Any, kind: type) -> Any:
    try:
        return None if value is None else kind(value)
    except (TypeError, ValueError):
        return None


def _ranges(output: NDArray[Any]) -> Iterator[tuple[str, float]]:
    if not output.size:
        return
    yield "output_minimum", float(np.min(output))
    yield "output_maximum", float(np.max(output))
    if output.ndim > 1 and output.shape[-1] > 1:
        sums = np.sum(output, axis=-1, dtype=np.float64)
        yield "row_sum_minimum", float(np.min(sums))
        yield "row_sum_maximum", float(np.max(sums))


def _affine_gap(called: Stateless, values: Values, inputs: Any, output: NDArray[Any]) -> float | None:
    """How far the outputs half-way between examples lie from half-way between theirs, as a share of their spread.

    Of all models, also those whose layers nobody can follow: 0 where they are affine in their inputs. A sigmoid or
    a softmax at the end is undone first.
    """
    if tree.is_nested(inputs) or inputs.dtype.kind != "f" or len(inputs) < 8 or output.ndim != 2:
        return None
    half = len(inputs) // 2
    between = as_numpy(called.predict(values, (inputs[:half] + inputs[half : 2 * half]) / 2.0))
    gaps = []
    with np.errstate(all="ignore"):
        for undo in (np.asarray, _logits, _scores):
            found, ends = (undo(y.astype(np.float64)) for y in (between, output[: 2 * half]))
            spread = float(np.std(ends))
            gaps.append(float(np.max(np.abs(found - (ends[:half] + ends[half:]) / 2.0))) / (spread or np.nan))
    known = [gap for gap in gaps if np.isfinite(gap)]
    return min(known) if known else None


def _logits(outputs: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.log(outputs / (1.0 - outputs)))


def _scores(outputs: NDArray[Any]) -> NDArray[Any]:
    scores = np.log(outputs)
    return np.asarray(scores - scores.mean(axis=1, keepdims=True))


def constant_loss(losses: list[dict[str, Any]], batch: Batch, output_width: int | None) -> float | None:
    """The loss of the best constant prediction on the batch; None where it has no meaning or no formula."""
    _, targets, weights = batch
    arrays = [np.asarray(leaf) for leaf in tree.flatten(targets) if leaf is not None]
    if len(losses) != 1 or len(arrays) != 1 or weights is not None:
        return None
    loss = losses[0]
    weight = loss.get("weight", 1.0)
    if loss["own"] or loss.get("label_smoothing") or (loss.get("weighted") and "weight" not in loss):
        return None
    if loss.get("reduction") not in ("sum_over_batch_size", "mean", "mean_with_sample_weight"):
        return None
    name = str(loss["name"])
    kind = target_kind(arrays[0], output_width) if "crossentropy" in name else TargetKind.CONTINUOUS
    found = constant_prediction_loss(name, arrays[0], kind)
    return None if found is None else found * weight


class _Layout:
    """How the loss reads the layout of outputs and targets: which example it holds against which.

    Two examples swap their targets for predictions where these have as many entries, so that the two differ
    as much as the targets do; else the model's outputs are taken.
    """

    def __init__(
        self, called: Stateless, values: Values, targets: NDArray[Any], output: NDArray[Any]
    ) -> None:
        self._called, self._values = called, values
        per_example = max(int(np.prod(output.shape[1:])), int(np.prod(targets.shape[1:])), 1)
        self._count = min(len(output), len(targets), max(_ELEMENTS // per_example, 4)) // 4 * 4
        self._targets, self._output = targets[: self._count], output[: self._count]
        self._alike = bool(self._targets.size == self._output.size and targets.dtype.kind in "fiub")

    def facts(self) -> Iterator[tuple[str, float | None]]:
        count = self._count
        if not count:
            return
        half = np.arange(count // 2)
        ratio = self._own(np.tile(half, 2)) / (self._own(half) or np.nan)
        yield "double_ratio", ratio
        chosen = self._pairs()
        pairs = [self._pair(*pair) for pair in chosen]
        yield "pair_gap", _median([_gap(self._loss(*both), float(np.mean(alone))) for both, alone in pairs])
        if self._alike:
            yield "perfect_gap", _median([self._perfect(*pair) for pair in chosen])
        if self._alike and self._targets.shape != self._output.shape:
            gaps = [_gap(self._loss(*both), self._loss(*_aligned(*both))) for both, _ in pairs]
            yield "aligned_gap", _median(gaps)

    def _pairs(self) -> list[tuple[int, int]]:
        """Examples whose targets lie far apart."""
        order = np.argsort(self._targets.reshape(self._count, -1).sum(axis=1), kind="stable")
        return [(int(order[i]), int(order[-1 - i])) for i in range(min(_PAIRS, self._count // 2))]

    def _pair(self, *pair: int) -> tuple[tuple[NDArray[Any], NDArray[Any]], list[float]]:
        """Targets and predictions of the two in turn, and the loss of each alone."""
        # Always as many examples, each as often as the other: no reduction and no compiler can tell.
        rows = np.resize(pair, self._count)
        targets, output = self._targets[rows], self._output[rows]
        if self._alike:
            swapped = self._targets[np.resize(pair[::-1], self._count)]
            output = swapped.reshape(output.shape).astype(output.dtype)
        alone = [
            self._loss(
                *(np.repeat(array[first : first + 1], self._count, axis=0) for array in (targets, output))
            )
            for first in (0, 1)
        ]
        return (targets, output), alone

    def _perfect(self, *pair: int) -> float:
        """The loss of two examples whose answers are their targets, beside that of the same answers exchanged.

        Above the loss that each has alone; in units of what the exchange costs.
        """
        rows = np.resize(pair, self._count)
        own, other = (self._targets[np.resize(p, self._count)] for p in (pair, pair[::-1]))
        right, wrong = (
            self._loss(self._targets[rows], answers.reshape(self._output.shape).astype(self._output.dtype))
            for answers in (own, other)
        )
        alone = [
            self._loss(target, target.reshape(self._output.shape).astype(self._output.dtype))
            for target in (np.repeat(self._targets[i : i + 1], self._count, axis=0) for i in pair)
        ]
        return (right - float(np.mean(alone))) / (abs(wrong - float(np.mean(alone))) or np.nan)

    def _own(self, rows: NDArray[Any]) -> float:
        return self._loss(self._targets[rows], self._output[rows])

    def _loss(self, targets: NDArray[Any], output: NDArray[Any]) -> float:
        loss = self._called.loss(self._values, targets, ops.convert_to_tensor(output))
        return np.nan if loss is None else loss


def _aligned(targets: NDArray[Any], output: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    return targets.reshape(output.shape), output


def _median(values: list[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else None


def _gap(one: float, other: float) -> float:
    apart = abs(one - other)
    return apart if apart == 0.0 else apart / max(abs(one), abs(other))
