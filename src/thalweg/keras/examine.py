"""Measuring a model at the weights that its training ended with: numbers for the claims to judge."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from thalweg.errors import UnsupportedError, UsageError
from thalweg.examination import Examination, Losses
from thalweg.keras.arguments import arrays_of
from thalweg.keras.autodiff import products
from thalweg.keras.feed import Batch
from thalweg.keras.kept import Subject, subject
from thalweg.record import Record

_SEED = 20260

Progress = Callable[[str, float], None]
"""Told what is being measured, and the share of the whole that is done."""


def subject_of(
    folder: Path | None, kept: Mapping[str, Any], model: Any, training: Any = None, validation: Any = None
) -> Subject:
    """The model and examples to look at: those that were given, else those that the run kept.

    Raises `UsageError` for a model or data that cannot be looked at, `UnsupportedError` where what was kept cannot be
    had.
    """
    if model is not None and not (isinstance(model, keras.Model) and model.compiled and model.built):
        raise UsageError(
            "model must be a Keras model that is built and compiled, for its loss is what is looked at; "
            f"got {'one that is not' if isinstance(model, keras.Model) else type(model).__name__}"
        )
    given, validated = _arrays(training, "data"), _arrays(validation, "validation_data")
    if given is not None and model is not None:
        return Subject(model, given, validated, _count(given))
    if folder is None:
        raise UsageError(
            "a record alone holds no model and no examples: give model and data=(inputs, targets)"
        )
    found = subject(folder, kept, model)
    if given is not None:
        found = replace(found, training=given, total=_count(given))
    return found if validated is None else replace(found, validation=validated)


def _arrays(batch: Any, name: str) -> Batch | None:
    if batch is None:
        return None
    arrays = arrays_of(batch)
    if arrays is None:
        raise UsageError(f"{name} must hold arrays of one length; got {type(batch[0]).__name__}")
    return arrays


def _count(batch: Batch) -> int:
    return len(keras.tree.flatten(batch[0])[0])


def examine(
    subject: Subject, record: Record, *, products: int, seed: int = _SEED, progress: Progress | None = None
) -> Examination:
    """What can be measured within so many `products`, passes over the training examples.

    Nothing of the model moves. A part that cannot be measured is missing from the examination, which says why.
    """
    return _Examiner(subject, record, products, seed, progress or (lambda what, share: None)).examine()


class _Examiner:
    def __init__(self, subject: Subject, record: Record, allowed: int, seed: int, progress: Progress) -> None:
        self._subject, self._record, self._allowed, self._seed = subject, record, allowed, seed
        self._progress = progress
        self._missing: dict[str, str] = {}
        self._made = 0

    def examine(self) -> Examination:
        """All parts, the cheapest first."""
        subject = self._subject
        losses = self._tried("losses", self._losses)
        return Examination(
            parameters=sum(math.prod(variable.shape) for variable in subject.model.trainable_variables),
            examples=_count(subject.training),
            total=subject.total,
            products=self._made,
            asked=self._allowed,
            seed=self._seed,
            losses=losses,
            missing=self._missing,
            subject=subject.digests,
        )

    def _losses(self) -> Losses:
        subject = self._subject
        if subject.validation is None:
            raise UnsupportedError("no validation examples were kept")
        training, validation = (
            products(subject.model, batch).losses() for batch in (subject.training, subject.validation)
        )
        return Losses(training, validation)

    def _tried(self, part: str, measure: Callable[[], Any]) -> Any:
        try:
            return measure()
        except UnsupportedError as error:
            self._missing[part] = str(error).removesuffix(".")
        except Exception as error:
            if os.environ.get("THALWEG_RAISE"):
                raise
            self._missing[part] = (
                f"measuring it failed ({type(error).__name__}: {error}), which is a bug of Thalweg's"
            )
        return None
