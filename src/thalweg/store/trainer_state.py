"""Hugging Face's `trainer_state.json`: where it lies, and what it tells beside its rows."""

import math
from pathlib import Path
from typing import Any, TypeGuard

STATE = "trainer_state.json"

_SUMMARY = ("_runtime", "_per_second", "_flos", "_mem_cpu_peaked_delta", "_jit_compilation_time")


def newest_state(folder: Path) -> Path | None:
    """The state of the training in `folder`, of its last checkpoint where it has none itself; None without any."""
    if (folder / STATE).is_file():
        return folder / STATE
    found = [state for state in folder.glob(f"checkpoint-*/{STATE}") if _count(state) >= 0]
    return max(found, key=_count, default=None)


def is_trainer_state(document: Any) -> bool:
    """Whether a JSON document is the state of a `transformers.Trainer`."""
    return isinstance(document, dict) and isinstance(document.get("log_history"), list)


def is_summary(name: str) -> bool:
    """Whether a key of its rows is a figure of the whole training, or of how fast it was."""
    return name.startswith("train_") or name == "total_flos" or name.endswith(_SUMMARY)


def facts(document: dict[str, Any]) -> dict[str, Any]:
    """What the state tells of the training that was asked for."""
    epochs, steps, batch = (
        document.get(key) for key in ("num_train_epochs", "max_steps", "train_batch_size")
    )
    fit: dict[str, Any] = {}
    if _positive(epochs):
        fit["epochs"] = math.ceil(epochs)
        if _positive(steps):
            fit["steps_per_epoch"] = max(1, round(steps / epochs))
    if _positive(batch):
        fit["batch_size"] = int(batch)
    return {"fit": fit} if fit else {}


def _positive(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e15


def _count(state: Path) -> int:
    count = state.parent.name.rpartition("-")[2]
    return int(count) if count.isdecimal() and count.isascii() else -1
