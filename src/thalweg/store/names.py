"""What the name of a column says that it holds, and which columns are the loss, the step and so on."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from thalweg.errors import UsageError

_TRAINING = {"train", "training", "trn", "tr"}
_VALIDATION = ("val", "valid", "validation", "eval", "evaluation", "dev", "test", "testing")
"""The more usual as validation first."""
_STEPS = (
    "step", "global_step", "trainer_global_step", "steps", "iteration", "iterations", "iter", "iters",
    "optimizer_step", "training_step", "train_step", "num_steps", "num_updates", "update", "updates",
    "it", "batch", "batch_idx", "batch_index",
)  # fmt: skip
_EPOCHS = ("epoch", "epochs", "epoch_num", "epoch_number", "ep")
_INDEX = {"", "unnamed_0"}
"""How pandas heads the column that numbers the rows."""
_RATES = {"lr", "learning_rate", "learningrate"}
_GRADIENTS = {
    "grad_norm",
    "gradient_norm",
    "gradnorm",
    "global_grad_norm",
    "total_grad_norm",
    "grad_2_0_norm_total",
}
_LOSSES = (
    {"loss"},
    {"total_loss", "loss_total", "avg_loss", "average_loss", "mean_loss", "loss_mean", "loss_avg", "running_loss"},
    {"objective", "cost", "nll", "nll_loss", "loss_fn", "cross_entropy", "mse"},
)  # fmt: skip
_GLUED = re.compile(rf"(train|{'|'.join(_VALIDATION)})(loss|acc|accuracy)")
_COPIES = re.compile(r"__(MIN|MAX)$")
"""Columns that Weights & Biases exports beside each: not quantities of their own."""
_PLAIN = {"epoch", "step", "loss", "val_loss", "learning_rate", "lr", "global_step", "eval_loss", "grad_norm"} | {
    "train/epoch_loss", "validation/epoch_loss", "train/epoch_learning_rate",
}  # fmt: skip
"""Names of Keras's and Hugging Face's own, which leave nothing to guess."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The columns that the caller named; None where it is for Thalweg to find them."""

    loss: str | None = None
    validation_loss: str | None = None
    step: str | None = None

    def __bool__(self) -> bool:
        return any((self.loss, self.validation_loss, self.step))


@dataclass(frozen=True, slots=True)
class Name:
    """A column's name taken apart: `part` is training, validation or unknown, `each` is epoch, step or unknown."""

    part: str
    each: str
    rest: str


def apart(name: str) -> Name:
    """The name of a column taken apart.

    >>> apart("Train/Loss_epoch"), apart("val_accuracy").rest
    (Name(part='training', each='epoch', rest='loss'), 'accuracy')
    """
    words = _words(name)
    part = "training" if _TRAINING & {*words} else "validation" if {*words} & {*_VALIDATION} else ""
    each = "epoch" if "epoch" in words else "step" if {"step", "batch", "iter"} & {*words} else ""
    left = {"epoch", "step", "batch", "iter", *_TRAINING, *_VALIDATION}
    return Name(part, each, "_".join(word for word in words if word not in left))


def axes(names: Sequence[str], asked: Asked, source: Path) -> tuple[str | None, str | None]:
    """The columns that tell the step and the epoch of a row.

    Raises `UsageError` where the one that was asked for is not there.
    """
    common = {name: "_".join(_words(name)) for name in names}

    def first(known: Sequence[str]) -> str | None:
        found = sorted((known.index(word), n) for n, (_, word) in enumerate(common.items()) if word in known)
        return [*common][found[0][1]] if found else None

    step, epoch = first(_STEPS), first(_EPOCHS)
    if asked.step is not None:
        named = column(asked.step, names, "step", source)
        return (None, named) if common[named] in _EPOCHS else (named, epoch)
    if step is None and epoch is None:
        epoch = next((name for name, word in common.items() if word in _INDEX), None)
    return step, epoch


def roles(names: Sequence[str], asked: Asked, source: Path) -> dict[str, str]:
    """Of these columns those with a meaning of their own: `loss`, `epoch_loss`, `validation_loss`,
    `learning_rate`, `gradient_norm`.

    A name that may mean the loss does only where no other may as well: of two networks' losses neither is.

    Raises `UsageError` where one that was asked for is not there.
    """
    found: dict[str, str] = {}
    if asked.loss is not None:
        found[column(asked.loss, names, "loss", source)] = "loss"
    if asked.validation_loss is not None:
        found[column(asked.validation_loss, names, "validation loss", source)] = "validation_loss"
    parts = {name: apart(name) for name in names if name not in found}
    if "loss" not in found.values():
        ours = {name: part for name, part in parts.items() if part.part != "validation"}
        steps = {name: part for name, part in ours.items() if part.each != "epoch"}
        means = {name: part for name, part in ours.items() if part.each == "epoch"}
        for group, role in ((steps, "loss"), (means, "epoch_loss")):
            if (name := _loss(group)) is not None:
                found[name] = role
        if not found and [_words(name) for name in parts] == [["value"]]:  # as TensorBoard exports a curve
            found[names[0]] = "loss"
    if "validation_loss" not in found.values():
        for word in _VALIDATION:
            theirs = {name: parts[name] for name in parts if word in _words(name)}
            if (name := _loss(theirs)) is not None:
                found[name] = "validation_loss"
                break
    for known, role in ((_RATES, "learning_rate"), (_GRADIENTS, "gradient_norm")):
        for name, part in parts.items():
            first = role == "learning_rate" and _words(name)[:1] == ["lr"]  # `lr-Adam`, `lr/pg0`
            if name not in found and (part.rest in known or first):
                found[name] = role
                break
    return found


def guesses(found: dict[str, str], axis: str | None, asked: Asked) -> str:
    """What was guessed from names that are not Keras's, in a sentence; empty where nothing was."""
    meanings = {**found, **({axis: "step"} if axis else {})}
    named = {asked.loss, asked.validation_loss, asked.step}
    said = [
        f"{name!r} as the {meaning.replace('_', ' ')}"
        for name, meaning in meanings.items()
        if name.strip().lower().replace(" ", "_") not in _PLAIN and name not in named
        if not (meaning == "step" and "_".join(_words(name)) in (*_EPOCHS, *_INDEX))
        if not (meaning == "validation_loss" and _words(name) == ["validation", "loss"])
    ]
    return "read " + _and(said) if said else ""


def metric(name: str) -> tuple[str, str]:
    """`epoch_` or `validation_`, and the quantity of a column that has no meaning of its own."""
    part = apart(name)
    bare = name.strip().replace("/", "_")
    if name.startswith("val_"):
        return "validation_", bare.removeprefix("val_")
    if part.part and part.rest:
        return ("validation_" if part.part == "validation" else "epoch_"), part.rest
    return "epoch_", bare.removeprefix("epoch_")


def is_beside(name: str) -> bool:
    """Whether the column of this name is no quantity: the number of the row, the time, a copy for a chart."""
    return "_".join(_words(name)) in {*_INDEX, "wall_time"} or _COPIES.search(name) is not None


def column(asked: str, names: Sequence[str], what: str, source: Path) -> str:
    """The column that the caller named, in any case; raises `UsageError` where there is none."""
    for same in (str, str.lower):
        for name in names:
            if same(name) == same(asked):
                return name
    raise UsageError(f"{str(source)!r} has no column {asked!r} to read as the {what}: {listed(names)}")


def listed(names: Sequence[str]) -> str:
    """The columns in a few words."""
    if not names:
        return "it has no columns of numbers"
    more = f" and {len(names) - 12:,} more" if len(names) > 12 else ""
    return "its columns are " + ", ".join(repr(name[:60]) for name in names[:12]) + more


def _loss(parts: dict[str, Name]) -> str | None:
    for known in _LOSSES:
        named = sorted((len(name), n, name) for n, name in enumerate(parts) if parts[name].rest in known)
        if named:
            return named[0][2]
    some = [name for name, part in parts.items() if "loss" in part.rest.split("_")]
    return some[0] if len(some) == 1 else None


def _words(name: str) -> list[str]:
    """The words of a name in small letters: `valLoss`, `val_loss` and `Val/Loss` have the same."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", name)
    words = [word.lower() for word in re.findall(r"[^\W_]+", spaced)]
    return [
        part for word in words for m in [_GLUED.fullmatch(word)] for part in (m.groups() if m else (word,))
    ]


def _and(words: Iterable[str]) -> str:
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last
