"""The curvature of a run, as long as it can be had."""

import os
from collections.abc import Callable

import keras

from thalweg.errors import UnsupportedError
from thalweg.keras.facts import step_size
from thalweg.keras.feed import Batch
from thalweg.keras.keeper import Keeper
from thalweg.keras.notices import Notices
from thalweg.keras.sharpness import Sharpness


class Curvature:
    """Keeps what the `sharpness` finds; None where it is not wanted."""

    def __init__(self, keeper: Keeper, notices: Notices, sharpness: Sharpness | None) -> None:
        self._keeper, self._notices, self._sharpness = keeper, notices, sharpness

    def track(self, model: keras.Model, examples: Callable[[], Batch | None], total: int | None) -> None:
        """Look at it on these examples of a `total`; what cannot be had after a step is said, and not tried again."""
        if self._sharpness is None:
            return
        try:
            self._keeper.looked(
                self._sharpness.look(model, self._lookable(examples()), step_size(self._keeper.info, total))
            )
            return
        except UnsupportedError as error:
            if self._keeper.step == 0:  # a model without weights yet, an optimizer without a state
                return
            reason = str(error).rstrip(".")
        except Exception as error:
            if os.environ.get("THALWEG_RAISE"):
                raise
            reason = f"Thalweg failed ({type(error).__name__}: {error}), which is a bug of Thalweg's"
        self._sharpness, reason = None, f"the curvature is not tracked: {reason}"
        self._keeper.unwatched(reason)
        self._notices.line(reason)

    def _lookable(self, examples: Batch | None) -> Batch:
        if examples is None:
            raise UnsupportedError("there are no examples to look at it on")
        if (self._keeper.info.get("optimizer") or {}).get("rate_kind") == "callable":
            raise UnsupportedError(
                "the learning rate is a function, and to call it might change what follows"
            )
        return examples
