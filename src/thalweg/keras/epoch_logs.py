"""What Keras logs at the end of an epoch, as measurements."""

from collections.abc import Mapping
from typing import Any

from thalweg.keras.probe_batch import Measurement


def measurements(logs: Mapping[str, Any]) -> list[Measurement]:
    """Those of the logs that are numbers: `val_loss` is `validation_loss`, `loss` is `epoch_loss`."""
    return [
        (f"validation_{key[4:]}" if key.startswith("val_") else f"epoch_{key}", _unit(key), float(value))
        for key, value in logs.items()
        if _is_number(value)
    ]


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _unit(key: str) -> str:
    plain = key.removeprefix("val_")
    if plain == "loss" or plain.endswith("_loss"):
        return "loss"
    return "fraction" if "accuracy" in plain or plain == "acc" else "1"
