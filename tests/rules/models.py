"""Records of models: layers in a row, their first weights, and a run on top that learned or did not."""

from typing import Any

import numpy as np

from thalweg import Record

from .runs import having, healthy, series, stuck


def layer(name: str, kind: str = "Dense", activation: str | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "class": kind, "activation": activation, "units": None, "trainable": True, **more}


def chain(*layers: dict[str, Any]) -> list[dict[str, Any]]:
    """Each layer takes its input from the one before it, unless it says otherwise."""
    names = [[], *([row["name"]] for row in layers)]
    return [{"inputs": before, **row} for before, row in zip(names, layers, strict=False)]


def kernel(
    name: str,
    fan_in: int,
    units: int,
    low: float = -0.1,
    high: float = 0.1,
    distinct: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    initial = {"mean": (low + high) / 2, "spread": (high - low) / 12**0.5, "minimum": low, "maximum": high}
    alike = 1 if low == high else units
    counts = {"fan_in": fan_in, "units": units, "distinct_units": alike if distinct is None else distinct}
    return _tensor(f"{name}/kernel", fan_in * units, {**initial, **counts, **more})


def bias(name: str, units: int, low: float = 0.0, high: float = 0.0) -> dict[str, Any]:
    return _tensor(f"{name}/bias", units, {"mean": low, "spread": 0.0, "minimum": low, "maximum": high})


def _tensor(name: str, size: int, initial: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "layer": name.partition("/")[0], "shape": [size], "size": size, "initial": initial}


def facts(
    layers: list[dict[str, Any]], tensors: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "layers": layers,
        "tensors": tensors or [],
        "model": {"class": "Sequential", "parameters": 1000},
        **more,
    }


def before(info: dict[str, Any]) -> Record:
    """What is known before the first step."""
    return Record.of([], info)


def learned(info: dict[str, Any], *extra: Any) -> Record:
    return having(healthy(info=info), *extra)


def failed(info: dict[str, Any], *extra: Any) -> Record:
    return having(healthy(loss=stuck(), info=info), *extra)


def ends(name: str, *values: float) -> Any:
    """A quantity per epoch, the first before the first step."""
    return series(name, np.asarray(values), 100 * np.arange(len(values)))
