"""Measuring a model at the weights that its training ended with: numbers for the claims to judge."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from thalweg.errors import UnsupportedError, UsageError
from thalweg.examination import BatchSharpness, Examination, Gradients, Losses, Plane, Progress
from thalweg.keras.arguments import arrays_of
from thalweg.keras.autodiff import Products, products
from thalweg.keras.examine_batches import batch_sharpness
from thalweg.keras.examine_gradients import PASSES, gradients
from thalweg.keras.examine_plane import examine_plane
from thalweg.keras.examine_spectrum import Spectrum, examine_spectrum
from thalweg.keras.examine_study import examine_study
from thalweg.keras.facts import batch_size, step_size
from thalweg.keras.feed import Batch, mapped
from thalweg.keras.kept import Subject, subject
from thalweg.keras.mode import in_training, mode
from thalweg.keras.model_facts import accumulated
from thalweg.record import Record
from thalweg.study import Study
from thalweg.study_examination import StudyExamination

_Part = TypeVar("_Part")

_SEED = 20260
_USUAL = 32
"""Keras's batch size, where that of the training is not known."""
_BATCHES = 400
"""Mini-batch gradients at most."""
_DRAWN = 256
"""Examples over which the plane of the path is drawn: it takes hundreds of passes."""


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


def examine_runs(
    study: Study,
    folders: Sequence[Path],
    products: int,
    seed: int = _SEED,
    progress: Progress | None = None,
) -> StudyExamination:
    """What can be measured of the kept models of several runs, on the examples that the first of them kept.

    Within so many passes over the examples for each run. Raises `UnsupportedError` where a model cannot be had.
    """
    found = [subject(folder, record.info["kept"]) for (_, record), folder in zip(study, folders, strict=True)]
    first = found[0]
    examination = examine_study(
        [each.model for each in found],
        first.training,
        first.validation,
        total=first.total,
        batch_size=batch_size(study.records[0].info) or _USUAL,
        evaluations=products * len(study),
        seed=seed,
        progress=progress,
    )
    weights = {
        f"weights of {name}": each.digests["weights"] for name, each in zip(study.names, found, strict=True)
    }
    digests = {**weights, "examples": first.digests["examples"]}
    return replace(examination, asked=products, subject=digests)


class _Examiner:
    """The parts of an examination as they are made, and what is left of the budget."""

    def __init__(self, subject: Subject, record: Record, allowed: int, seed: int, progress: Progress) -> None:
        self._subject, self._record, self._allowed, self._seed = subject, record, allowed, seed
        self._progress = progress
        self._batch_size = batch_size(record.info)
        self._missing: dict[str, str] = {}

    def examine(self) -> Examination:
        """All parts, the cheapest first."""
        subject, model = self._subject, self._subject.model
        whole = products(
            model,
            subject.training,
            training=in_training(model),
            step=step_size(self._record.info, subject.total),
        )
        parts: dict[str, Any] = {"losses": self._tried("losses", lambda: self._losses(whole))}
        self._progress("gradients", 0.1)
        parts["gradients"] = self._tried("gradients", lambda: self._gradients(whole))
        self._progress("curvature", 0.3)
        found = self._tried("curvature", lambda: self._spectrum(whole))
        if found is not None:
            parts |= {"curvature": found.curvature, "step_limit": found.step_limit}
            self._missing |= found.missing
            if found.step_limit is not None and not found.step_limit.preconditioned:
                self._progress("curvature of the batches", 0.6)
                parts["batch_sharpness"] = self._tried("batch_sharpness", lambda: self._batches(whole))
        parts["plane"] = self._tried("plane", self._plane)
        self._progress("done", 1.0)
        return Examination(
            parameters=whole.size,
            constrained=sum(
                int(np.prod(v.shape)) for v in model.trainable_variables if v.constraint is not None
            ),
            examples=whole.examples,
            total=subject.total,
            mode=mode(model),
            products=whole.made,
            asked=self._allowed,
            seed=self._seed,
            missing=self._missing,
            subject=subject.digests,
            **parts,
        )

    def _losses(self, whole: Products) -> Losses:
        subject = self._subject
        if subject.validation is None:
            raise UnsupportedError("no validation examples were kept")
        model = subject.model
        inference = products(model, subject.training) if in_training(model) else whole
        return Losses(inference.losses(), products(model, subject.validation).losses())

    def _gradients(self, made: Products) -> Gradients:
        return gradients(made, self._batch_size or _USUAL, _BATCHES, self._seed, self._allowed)

    def _spectrum(self, made: Products) -> Spectrum:
        budget = min(self._allowed * 4 // 5, max(self._allowed - PASSES, 0))
        return examine_spectrum(made, self._subject.model, budget=budget, seed=self._seed)

    def _batches(self, made: Products) -> BatchSharpness | None:
        """Of the batches that went into one update; None where that took all examples."""
        size, total = self._batch_size, self._subject.total
        if size is None:
            raise UnsupportedError("the batch size of the training is not known")
        size *= accumulated(self._subject.model.optimizer)
        if total is not None and size >= total:
            return None
        return batch_sharpness(made, size, max(self._allowed // 5 - PASSES, 0), self._seed)

    def _plane(self) -> Plane:
        subject = self._subject
        if subject.trodden is None:
            raise UnsupportedError("no path of this run was kept")
        rows = np.unique(np.linspace(0, _count(subject.training) - 1, _DRAWN).astype(np.int64))
        batch = mapped(lambda array: np.asarray(array)[rows], subject.training)
        return examine_plane(
            products(subject.model, batch),
            subject.trodden,
            lambda share: self._progress("the plane of the path", 0.7 + 0.3 * share),
        )

    def _tried(self, part: str, measure: Callable[[], _Part]) -> _Part | None:
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
