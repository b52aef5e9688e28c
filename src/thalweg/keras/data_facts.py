"""What the data look like: ranges, columns, order, and what a simple method can make of them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
from keras import tree
from numpy.typing import NDArray

from thalweg.keras.feed import Batch
from thalweg.stats.columns import columns
from thalweg.stats.conditioning import scales
from thalweg.stats.lone import lone
from thalweg.stats.nonfinite import nonfinite_examples
from thalweg.stats.ordering import Ordering, class_ordering, value_ordering
from thalweg.stats.overlap import finest, near, occurrences, repeated
from thalweg.stats.ridge import Matrix, descent_score, linear_score, standardised
from thalweg.stats.shift import shift
from thalweg.stats.signal import METHOD, signal
from thalweg.stats.small import small
from thalweg.stats.targets import TargetKind, target_kind
from thalweg.stats.transfer import transfer

_COLUMNS = 1024
"""Columns of an input that are looked at, spread evenly."""
_EXAMPLES = 1024
"""Examples of the validation data that are looked at, and of the training data in search of their likes."""
_FITTED = 512
"""Examples that simple methods are fitted to; their cost grows with the third power."""
_SHIFTED = 256
"""Examples of either side that are told apart."""
_FITTED_COLUMNS = 512
_CLASSES = 64
"""Classes that simple methods are asked about, at most."""
_NUMBERS = 16
"""Target columns that simple methods are asked about, at most: more are a reconstruction."""
_VOCABULARY = 256
"""Bins that tokens are counted in."""
_IDS = 2048
"""The same where it is asked which there are, and not how many."""
_LISTED = 1000

_CLASS_KINDS = (TargetKind.CLASSES, TargetKind.BINARY, TargetKind.ONE_HOT)
_SQUARED = ("mean_squared_error", "mse")


def data_facts(
    sample: Batch,
    *,
    whole: Batch | None = None,
    validation: Batch | None = None,
    batch_size: int | None = None,
    loss: str | None = None,
    output_width: int | None = None,
    steps: int | None = None,
) -> dict[str, Any]:
    """The facts `data` of docs/record.md about a run's training examples.

    `sample` holds at most about a thousand of them; `whole` (the complete arrays) and `validation` are only
    read, in bounded work; the run is to make so many `steps`. A part that the data do not allow, or that fails,
    is left out.
    """
    inputs, targets = _named(sample[0], "input"), _named(sample[1], "target")
    facts: dict[str, Any] = {
        "examples": len(inputs[0][1]) if inputs else 0,
        "weighted": sample[2] is not None,
        "inputs": [{"name": name, **_array_facts(array)} for name, array in inputs],
        "targets": [
            {"name": name, **_array_facts(array), **_target_facts(array, output_width)}
            for name, array in targets
        ],
    }
    all_inputs = _arrays(whole[0]) if whole is not None else []
    all_targets = _arrays(whole[1]) if whole is not None else []
    if all_inputs:
        facts["total"] = len(all_inputs[0])
    for rows, arrays in ((facts["inputs"], all_inputs), (facts["targets"], all_targets)):
        for row, array in zip(rows, arrays, strict=False):
            row |= _part(partial(_nonfinite_facts, array)) or {}
    for row, (_, sample_array), array in zip_longest(facts["targets"], targets, all_targets):
        if row["kind"] in (TargetKind.CLASSES, TargetKind.CONTINUOUS):  # the others are labels
            row |= _part(partial(_small_facts, sample_array if array is None else array)) or {}
    sampled = [array for _, array in inputs], [array for _, array in targets]
    parts: dict[str, Callable[[], dict[str, Any] | None]] = {
        "order": lambda: _order(all_targets or sampled[1], batch_size, output_width),
        "duplicates": lambda: _duplicates(*sampled, all_inputs),
        "signal": lambda: _signal(*sampled, output_width),
        "linear": lambda: _linear(*sampled, output_width, loss, steps),
        "validation": lambda: _validation(validation, *sampled, all_inputs, all_targets, output_width),
    }
    return facts | {key: found for key, part in parts.items() if (found := _part(part))}


def _part(function: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
    """What the function returns; None where the data are odder than it knows."""
    try:
        with np.errstate(all="ignore"):
            return function()
    except Exception:
        if os.environ.get("THALWEG_RAISE"):
            raise
        return None


def _array_facts(array: NDArray[Any], counted: bool = True) -> dict[str, Any]:
    facts: dict[str, Any] = {"shape": list(array.shape[1:]), "dtype": str(array.dtype)}
    if array.dtype.kind not in "fiub" or not array.size:
        return facts
    values = array.astype(np.float64)
    finite = values[np.isfinite(values)]
    facts["nonfinite"] = int(values.size - finite.size)
    if finite.size:
        low, high = np.quantile(finite, [0.01, 0.99])
        with np.errstate(over="ignore", invalid="ignore"):
            facts |= {
                "minimum": float(finite.min()),
                "maximum": float(finite.max()),
                "mean": float(finite.mean()),
                "spread": float(finite.std()),
                "low": float(low),
                "high": float(high),
            }
    return facts | (_part(lambda: _column_facts(values, counted)) or {})


def _column_facts(values: Matrix, counted: bool) -> dict[str, Any]:
    matrix = _matrix(values, _COLUMNS)
    found = scales(matrix)
    facts: dict[str, Any] = {
        "column_offset": found.offset,
        "constant_maximum": found.constant,
        "condition_number": found.condition,
    }
    facts = {key: value for key, value in facts.items() if not np.isnan(value)}
    if not np.isnan(found.median):
        facts["column_spread"] = {
            "minimum": found.minimum,
            "median": found.median,
            "maximum": found.maximum,
        }
    if counted and matrix.shape[1] > 1:
        looked = columns(matrix, _COLUMNS)
        facts |= {
            "columns": int(np.prod(values.shape[1:])),
            "examined_columns": looked.examined,
            "constant_columns": looked.constant,
            "duplicate_columns": looked.duplicate,
            "correlated_columns": looked.correlated,
        }
    return facts


def _nonfinite_facts(array: NDArray[Any]) -> dict[str, Any]:
    found = nonfinite_examples(array)
    facts = {"nonfinite_examples": found.count, "looked": found.looked}
    return facts | ({"first_nonfinite": found.first} if found.count else {})


def _small_facts(array: NDArray[Any]) -> dict[str, Any]:
    found = small(array) if array.dtype.kind in "fiu" else None
    return {"small": asdict(found)} if found is not None and found.count else {}


def _target_facts(array: NDArray[Any], output_width: int | None) -> dict[str, Any]:
    kind = target_kind(array, output_width)
    facts: dict[str, Any] = {"kind": str(kind)}
    if array.dtype.kind not in "fiub" or not array.size:
        return facts
    with np.errstate(invalid="ignore", over="ignore"):
        facts["whole"] = bool((array == np.floor(array)).all()) if array.dtype.kind == "f" else True
        if array.ndim > 1 and array.shape[-1] > 1:
            sums = array.sum(axis=-1, dtype=np.float64)
            facts |= {"row_sum_minimum": float(sums.min()), "row_sum_maximum": float(sums.max())}
    if kind in (TargetKind.CLASSES, TargetKind.BINARY):
        classes, counts = np.unique(array, return_counts=True)
        if len(classes) <= _LISTED:
            facts |= {"classes": len(classes), "class_counts": [int(count) for count in counts]}
    elif kind is TargetKind.ONE_HOT:
        counts = array.reshape(-1, array.shape[-1]).sum(axis=0)
        facts |= {"classes": int(array.shape[-1]), "class_counts": [int(count) for count in counts]}
    elif kind is TargetKind.CONTINUOUS and array.size == len(array):
        apart = lone(array.astype(np.float64).ravel())
        facts |= {"lone": asdict(apart)} if apart is not None else {}
    return facts


def _order(
    targets: Sequence[NDArray[Any]], batch_size: int | None, output_width: int | None
) -> dict[str, Any] | None:
    if len(targets) != 1 or not batch_size:
        return None
    labels = _labels(targets[0], output_width)
    found: Ordering
    if labels is not None:
        found = class_ordering(labels, batch_size)
    elif _numeric(targets):
        found = value_ordering(_matrix(targets[0], _NUMBERS), batch_size)
    else:
        return None
    facts = {"one_class": found.one_class, "neighbours": found.neighbours}
    return {"batches": found.batches, **{k: v for k, v in facts.items() if not np.isnan(v)}}


def _duplicates(
    inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]], whole: Sequence[NDArray[Any]]
) -> dict[str, Any] | None:
    if not inputs or not len(inputs[0]) or not _numeric(inputs):
        return None
    groups = repeated(inputs)
    twins = sum(len(group) for group in groups)
    facts: dict[str, Any] = {
        "examples": twins / len(inputs[0]),
        "finest": finest(inputs, copies=twins - len(groups)),
        "group": twins / len(groups) if groups else 1.0,
        "near": near(inputs) if groups else 0.0,
    }
    if targets and _numeric(targets):
        rows = [array.reshape(len(array), -1) for array in targets]
        differ = sum(len(g) for g in groups if any((row[g] != row[g[:1]]).any() for row in rows))
        facts["contradictions"] = differ / twins if twins else 0.0
    if whole and _numeric(whole):
        picked = _picked(len(whole[0]), _EXAMPLES // 2)
        facts["whole"] = float(np.mean(occurrences([array[picked] for array in whole], whole) > 1))
    return facts


def _signal(
    inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]], output_width: int | None
) -> dict[str, Any] | None:
    asked = _asked(inputs, targets, output_width)
    found = signal(*asked) if asked is not None else None
    if found is None:
        return None
    facts = {"method": METHOD, "score": found.score, "chance": found.chance, "p": found.p}
    extra = {"balanced": found.balanced, "contradicted": found.contradicted}
    return {
        **facts,
        "permutations": found.permutations,
        **{key: value for key, value in extra.items() if not np.isnan(value)},
    }


def _linear(
    inputs: Sequence[NDArray[Any]],
    targets: Sequence[NDArray[Any]],
    output_width: int | None,
    loss: str | None,
    steps: int | None,
) -> dict[str, Any] | None:
    asked = _asked(inputs, targets, output_width)
    found = linear_score(*asked) if asked is not None else None
    if asked is None or found is None or np.isnan(found[0]):
        return None
    facts = {"accuracy" if asked[2] else "explained_variance": found[0]}
    slow = descent_score(*asked, steps or 0)
    facts |= {} if np.isnan(slow) else {"descent": slow}
    return facts | ({"loss": found[1]} if loss in _SQUARED and not asked[2] else {})


def _asked(
    inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]], output_width: int | None
) -> tuple[Matrix, Matrix, bool] | None:
    """Features, targets and whether they are classes, for a simple method; None where it has nothing to say."""
    if len(targets) != 1 or not inputs or len(targets[0]) != len(inputs[0]):
        return None
    rows = _picked(len(inputs[0]), _FITTED)
    features = _features([array[rows] for array in inputs], _FITTED_COLUMNS)
    target = targets[0][rows]
    labels = _labels(target, output_width)
    if features is None:
        return None
    if labels is not None:
        classes, places = np.unique(labels, return_inverse=True)
        one_each = len(places) == len(rows) and 2 <= len(classes) <= _CLASSES
        return (standardised(features), np.eye(len(classes))[places], True) if one_each else None
    numbers = target.reshape(len(rows), -1)
    if not _numeric([target]) or not 1 <= numbers.shape[1] <= _NUMBERS or not np.isfinite(numbers).all():
        return None
    return standardised(features), numbers.astype(np.float64), False


def _validation(
    validation: Batch | None,
    sampled: Sequence[NDArray[Any]],
    sampled_targets: Sequence[NDArray[Any]],
    all_inputs: Sequence[NDArray[Any]],
    all_targets: Sequence[NDArray[Any]],
    output_width: int | None,
) -> dict[str, Any] | None:
    if validation is None:
        return None
    inputs, targets = _named(validation[0], "input"), _named(validation[1], "target")
    if not inputs or not len(inputs[0][1]):
        return None
    count = len(inputs[0][1])
    rows = _picked(count, _EXAMPLES)
    looked = [array[rows] for _, array in inputs]
    facts: dict[str, Any] = {
        "examples": count,
        "inputs": [
            {
                "name": name,
                **_array_facts(array[rows], False),
                **(_part(partial(_nonfinite_facts, array)) or {}),
            }
            for name, array in inputs
        ],
        "targets": [
            {"name": name, **_array_facts(array[rows], False), **_target_facts(array[rows], output_width)}
            for name, array in targets
        ],
    }
    shapes = [[array.shape[1:] for array in arrays] for arrays in (looked, sampled)]
    alike = shapes[0] == shapes[1] and _numeric(looked)
    if alike and all_inputs and _numeric(all_inputs):
        facts |= _part(lambda: {"overlap": float(np.mean(occurrences(looked, all_inputs) > 0))}) or {}
    if alike:
        facts |= _part(lambda: _shift(sampled, looked)) or {}
        labelled = [array[rows] for _, array in targets]
        facts |= _part(lambda: _transfer((sampled, sampled_targets), (looked, labelled), output_width)) or {}
    if len(targets) == len(all_targets) == 1:
        facts |= _part(lambda: _unseen(all_targets[0], targets[0][1], output_width)) or {}
    return facts


def _shift(first: Sequence[NDArray[Any]], second: Sequence[NDArray[Any]]) -> dict[str, Any]:
    sides = []
    for arrays in (first, second):
        rows = _picked(len(arrays[0]), _SHIFTED)
        sides.append(_features([array[rows] for array in arrays], _FITTED_COLUMNS))
    found = np.nan if sides[0] is None or sides[1] is None else shift(sides[0], sides[1])
    return {} if np.isnan(found) else {"shift": found}


def _transfer(
    training: tuple[Sequence[NDArray[Any]], Sequence[NDArray[Any]]],
    validation: tuple[Sequence[NDArray[Any]], Sequence[NDArray[Any]]],
    output_width: int | None,
) -> dict[str, Any]:
    sides, labels = [], []
    for inputs, targets in (training, validation):
        known = _labels(targets[0], output_width) if len(targets) == 1 else None
        if known is None or len(known) != len(inputs[0]):
            return {}
        rows = _picked(len(known), _FITTED)
        sides.append([array[rows] for array in inputs])
        labels.append(known[rows].astype(np.int64))
    both = np.hstack([_together(np.concatenate(pair)) for pair in zip(*sides, strict=True)])
    count = len(labels[0])
    found = transfer(both[:count], labels[0], both[count:], labels[1])
    return {} if found is None else {"transfer": asdict(found)}


def _unseen(training: NDArray[Any], validation: NDArray[Any], output_width: int | None) -> dict[str, Any]:
    known, asked = _labels(training, output_width), _labels(validation, output_width)
    if known is None or asked is None:
        return {}
    new = np.setdiff1d(asked, known)
    return {"unseen_classes": len(new), "unseen_examples": float(np.mean(np.isin(asked, new)))}


def _labels(targets: NDArray[Any], output_width: int | None) -> NDArray[Any] | None:
    """The class of each target; None where they are no classes, or an example has several."""
    kind = target_kind(targets, output_width)
    if kind not in _CLASS_KINDS:
        return None
    labels = targets.argmax(axis=-1) if kind is TargetKind.ONE_HOT else targets
    return labels.ravel() if labels.size == len(targets) else None


def _features(inputs: Sequence[NDArray[Any]], limit: int) -> Matrix | None:
    """The inputs side by side as a matrix; sequences of tokens as the counts of their values."""
    parts = []
    for array in inputs:
        if array.dtype.kind not in "fiub" or not array.size:
            continue
        if _tokens(array):
            bins = array.astype(np.int64) % _VOCABULARY
            parts.append(
                np.stack([np.bincount(row, minlength=_VOCABULARY) for row in bins]).astype(np.float64)
            )
        else:
            parts.append(_matrix(array, max(limit // len(inputs), 1)).astype(np.float64))
    return np.hstack(parts) if parts else None


def _together(array: NDArray[Any]) -> NDArray[np.float32]:
    """One input as columns, whose rows have a length near one; of tokens, which there are."""
    if _tokens(array):
        features = np.zeros((len(array), _IDS), np.float32)
        np.put_along_axis(features, array.astype(np.int64) % _IDS, 1.0, axis=1)
    else:
        features = standardised(_matrix(array, _FITTED_COLUMNS).astype(np.float64)).astype(np.float32)
    lengths = np.sum(features.astype(np.float64) ** 2, axis=1)
    unit: NDArray[np.float32] = features / np.float32(np.sqrt(np.mean(lengths)) or 1.0)
    return unit


def _tokens(array: NDArray[Any]) -> bool:
    """Whether these are sequences of the numbers of words."""
    whole = array.dtype.kind in "iu" or bool((array == np.floor(array)).all())
    wide = array.ndim == 2 and array.shape[1] > 1 and array.dtype.itemsize > 1
    return bool(whole and wide and array.min() >= 0 and array.max() > 255)


def _matrix(array: NDArray[Any], limit: int) -> NDArray[Any]:
    """The array as (n, d) with at most `limit` of its columns, spread evenly."""
    width = int(np.prod(array.shape[1:]))
    matrix = array.reshape(len(array), width)
    return matrix if width <= limit else matrix[:, _picked(width, limit)]


def _numeric(arrays: Sequence[NDArray[Any]]) -> bool:
    return all(array.dtype.kind in "fiub" for array in arrays)


def _picked(count: int, limit: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, limit)).astype(np.int64))


def _arrays(structure: Any) -> list[NDArray[Any]]:
    return [array for _, array in _named(structure, "")]


def _named(structure: Any, default: str) -> list[tuple[str, NDArray[Any]]]:
    """The arrays of a structure by their names, those that hold examples."""
    leaves = tree.flatten_with_path(structure)
    flat = [(path, np.asarray(leaf)) for path, leaf in leaves if np.ndim(leaf)]
    if len(flat) == 1:
        path, array = flat[0]
        return [(str(path[-1]) if path else default, array)]
    return [("/".join(str(part) for part in path) or default, array) for path, array in flat]
