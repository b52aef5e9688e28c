"""The arguments of the `fit` that is running: what it trains on, with what beside it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import keras
import numpy as np
from keras import tree

from thalweg.keras.feed import ELEMENTS, ROWS, Batch, mapped


@dataclass(frozen=True, slots=True)
class FitArguments:
    """What `fit` was given, after Keras split the validation data off.

    `training` and `validation` are references to whole arrays, None where the data come as a pipeline.
    `iterator` is Keras's own iterator over the epochs' batches.
    """

    training: Batch | None = None
    validation: Batch | None = None
    validated: bool = False
    batch_size: int | None = None
    shuffle: Any = None
    class_weight: bool = False
    class_weights: dict[str, float] | None = None
    initial_epoch: int = 0
    callbacks: tuple[Any, ...] = ()
    iterator: Any = None

    @classmethod
    def of(cls, model: keras.Model) -> "FitArguments":
        """The arguments of the model's `fit` that has called us; empty ones where no `fit` is found.

        A callback is told neither the data nor its neighbours, so they are read (never written) from the
        frame of Keras's own `fit`, the same on all backends (docs/decisions/0006).
        """
        given = _fit_locals(model)
        if given is None:
            return cls()
        training = arrays_of((given.get("x"), given.get("y"), given.get("sample_weight")))
        validation = arrays_of((given.get("val_x"), given.get("val_y"), given.get("val_sample_weight")))
        listed = given.get("callbacks")
        return cls(
            training=training,
            validation=validation,
            validated=given.get("validation_data") is not None,
            batch_size=None if training is None else int(given.get("batch_size") or 32),
            shuffle=None if training is None else given.get("shuffle"),
            class_weight=bool(given.get("class_weight")),
            class_weights=_weights(given.get("class_weight")),
            initial_epoch=int(getattr(model, "_initial_epoch", None) or given.get("initial_epoch") or 0),
            callbacks=tuple(getattr(listed, "callbacks", None) or ()),
            iterator=given.get("epoch_iterator"),
        )

    @property
    def total(self) -> int | None:
        """How many training examples there are, where they are arrays."""
        return None if self.training is None else len(tree.flatten(self.training[0])[0])

    def sample(self, limit: int = ROWS) -> Batch | None:
        """At most `limit` training examples and `ELEMENTS` elements, spread evenly, as Keras feeds them."""
        if self.training is None or not self.total:
            return None
        elements = sum(leaf[:1].size for leaf in tree.flatten(self.training[0]) if leaf is not None)
        count = min(limit, self.total, max(ELEMENTS // max(elements, 1), 1))
        rows = np.unique(np.linspace(0, self.total - 1, count).astype(np.int64))
        return mapped(lambda array: _as_keras_feeds(array[rows]), self.training)  # type: ignore[no-any-return]

    def drawn(self, limit: int = ROWS) -> Iterator[Any]:
        """The first batches, drawn from the pipeline: only where no training follows."""
        examples = 0
        for _, _, data in self.iterator:
            batches = data if isinstance(data, list) else [next(iter(data), None)]
            for batch in batches:
                if batch is None:
                    return
                yield batch
                examples += len(tree.flatten(batch)[0])
            if examples >= limit:
                return


def _weights(given: Any) -> dict[str, float] | None:
    """The weights by class; None where there are none, or they are no numbers."""
    try:
        return {str(int(label)): float(weight) for label, weight in given.items()} if given else None
    except (AttributeError, TypeError, ValueError):
        return None


def _fit_locals(model: keras.Model) -> dict[str, Any] | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "fit" and "epoch_iterator" in frame.f_code.co_varnames:
            found = frame.f_locals
            if found.get("self") is model:
                return dict(found)
        frame = frame.f_back
    return None


def arrays_of(structure: Any) -> Batch | None:
    """The structure with NumPy arrays for its leaves, without copies where that can be; None for a pipeline."""
    inputs = [leaf for leaf in tree.flatten(structure[0]) if leaf is not None]
    if not inputs or not all(
        hasattr(leaf, "__array__") and len(getattr(leaf, "shape", ())) for leaf in inputs
    ):
        return None
    try:
        arrays: Batch = mapped(_array, structure)
    except Exception:  # a sparse matrix, a tensor that lives elsewhere
        return None
    lengths = {len(leaf) for leaf in tree.flatten(arrays) if leaf is not None}
    return arrays if len(lengths) == 1 else None


def _array(leaf: Any) -> Any:
    return np.asarray(leaf if isinstance(leaf, np.ndarray) else keras.ops.convert_to_numpy(leaf))


def _as_keras_feeds(array: Any) -> Any:
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array
