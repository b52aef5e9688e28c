"""The first batches of a run, read as they pass: no batch is drawn ahead, twice or in another order."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import tree

Batch = tuple[Any, Any, Any]
"""Inputs, targets and sample weights as (nested) NumPy arrays; None where there are none."""

ROWS = 1024
"""Examples in the sample that the facts about the data are computed from."""
_BATCHES = 64
ELEMENTS = 8_000_000
"""Elements of the inputs in the sample, at most: 32 MB in float32."""


class Feed:
    """Copies the run's first examples on their way to the training step.

    It is open until it has `ROWS` of them, `_BATCHES` batches or `ELEMENTS` elements, or until `close`.
    `reason` says why there is no sample where there is none; `batch_size` is that of the first batch. Asked to
    `look`, it also keeps a fingerprint of the next batch, in `fingerprints`.
    """

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._examples = self._elements = 0
        self._source: Any = None
        self._handed: Any = None
        self.open = True
        self.reason: str | None = None
        self.batch_size: int | None = None
        self.fingerprints: list[int] = []
        self._looking = False
        self._last: _Tee | None = None

    def look(self) -> None:
        """Take a fingerprint of the next batch: an epoch begins."""
        self._looking = True

    def through(self, data: Any) -> Any:
        """What the train function is to be given: `data`, or an iterator that hands on the same batches."""
        if self.open and (
            self._examples >= ROWS or len(self._batches) >= _BATCHES or self._elements >= ELEMENTS
        ):
            self.close()
        if not self.open:
            self._let_go()  # what it had drawn the step before has taken
        if not self.open and not self._looking:
            return data
        if isinstance(data, list):  # PyTorch: the batches themselves
            for batch in data:
                self.keep(batch)
            return data
        if not self.open:
            return self._tee(data)
        if data is not self._source:
            self._source, self._handed = data, self._tee(data)
        return self._handed

    def close(self) -> None:
        """Keep no more examples."""
        self.open = False
        self._source = self._handed = None

    def examples(self, limit: int = ROWS) -> Batch | None:
        """The run's first examples, at most `limit`; None where there are none."""
        if not self._batches:
            return None
        try:
            joined = mapped(lambda *parts: np.concatenate(parts)[:limit], *self._batches)
        except ValueError:  # batches of several shapes: sequences padded batch by batch
            joined = mapped(lambda part: part[:limit], self._batches[0])
        return joined  # type: ignore[no-any-return]

    def keep(self, batch: Any) -> None:
        """Copy the examples of a batch, as long as it is open."""
        if not self.open and not self._looking:
            return
        try:
            arrays = mapped(lambda tensor: np.array(keras.ops.convert_to_numpy(tensor)), batch)
            if self._looking:
                self._looking = False
                self.fingerprints.append(
                    hash(tuple(leaf.tobytes() for leaf in tree.flatten(arrays) if leaf is not None))
                )
            if not self.open:
                return
            kept = keras.utils.unpack_x_y_sample_weight(arrays)
            inputs = [array for array in tree.flatten(kept[0]) if array is not None]
            self._examples += len(inputs[0])
            self.batch_size = self.batch_size or len(inputs[0])
            self._elements += sum(array.size for array in inputs)
            self._batches.append(kept)
        except Exception as error:  # whatever a pipeline may bring; training goes on without the sample
            self._give_up(error)

    def _let_go(self) -> None:
        """Hold the pipeline no longer than Keras does.

        TensorFlow keeps the function of a generator for ever; an iterator with threads of its own that dies as
        late as the interpreter can wait for them for ever.
        """
        if self._last is not None:
            self._last.let_go()
            self._last = None

    def _give_up(self, error: Exception) -> None:
        self.close()
        self._looking = False
        self.reason = f"the input could not be sampled ({type(error).__name__})"

    def _tee(self, data: Any) -> Any:
        specification = getattr(data, "element_spec", None)
        if any(
            type(leaf).__name__ != "TensorSpec" for leaf in tree.flatten(specification) if leaf is not None
        ):
            self.close()
            self._looking = False
            self.reason = "the input could not be sampled: it holds tensors that are not dense"
            return data
        tee = self._last = _Tee(data, self)
        handed: Any = tee
        if specification is not None:
            # TensorFlow draws its batches inside the graph: an iterator of that specification, traced once.
            tensorflow = sys.modules["tensorflow"]  # the backend: it is loaded
            relay = tensorflow.data.Dataset.from_generator(lambda: tee, output_signature=specification)
            options = tensorflow.data.Options()
            options.autotune.enabled = False
            options.experimental_optimization.apply_default_optimizations = False  # it must not draw ahead
            handed = iter(relay.with_options(options))
        if not self._batches or self._looking:
            tee.draw()  # so that the batch is known before the step
        return handed


def mapped(function: Callable[..., Any], *structures: Any) -> Any:
    """`keras.tree.map_structure` that leaves None alone."""
    return tree.map_structure(
        lambda *leaves: None if leaves[0] is None else function(*leaves), *structures, none_is_leaf=True
    )


class _Tee:
    def __init__(self, source: Iterator[Any], feed: Feed) -> None:
        self._source, self._feed = source, feed
        self._drawn: list[Any] = []

    def let_go(self) -> None:
        """Draw no more."""
        self._source = iter(())

    def __iter__(self) -> "_Tee":
        return self

    def __next__(self) -> Any:
        if not self._drawn:
            self.draw()
        if not self._drawn:
            raise StopIteration
        return self._drawn.pop()

    def draw(self) -> None:
        """Draw the next batch, if there is one, and keep a copy of it."""
        for batch in self._source:
            self._drawn.append(batch)
            self._feed.keep(batch)
            return
