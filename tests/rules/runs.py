"""Synthetic runs: one healthy one, and the ways in which a test makes it sick."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from thalweg import Event, Finding, Record, Series, Verdict
from thalweg.rules import RULES

STEPS_PER_EPOCH = 100


def series(name: str, values: ArrayLike, steps: ArrayLike | None = None, unit: str = "1") -> Series:
    values = np.asarray(values, dtype=float)
    return Series(name, unit, np.arange(1, len(values) + 1) if steps is None else np.asarray(steps), values)


def healthy(
    n: int = 2000, seed: int = 0, info: Mapping[str, Any] | None = None, **replaced: ArrayLike | None
) -> Record:
    """A classifier of six layers that goes from 2.3 to 0.3 in n steps; `replaced` overrides whole series."""
    rng = np.random.default_rng(seed)
    t = np.arange(1, n + 1)
    loss = 0.3 + 2.0 * np.exp(-6.0 * t / n) + 0.05 * rng.standard_normal(n)
    whole: dict[str, ArrayLike | None] = {
        "loss": loss,
        "gradient_norm": 7.0 * np.exp(0.3 * rng.standard_normal(n)) * np.exp(-t / n),
        "nonfinite_gradients": np.zeros(n),
        "learning_rate": np.full(n, 1e-3),
        "gradient_cosine": 0.1 * rng.standard_normal(n),
    }
    whole |= {
        k: v for k, v in replaced.items() if not k.startswith(("epoch_", "validation_", "probe_", "output_"))
    }
    made = [series(name, values) for name, values in whole.items() if values is not None]
    for i in range(6):
        made.append(series(f"gradient_norm/dense_{i}/kernel", 2.0 * np.exp(0.3 * rng.standard_normal(n))))
        made.append(series(f"update_ratio/dense_{i}/kernel", 1e-3 * np.exp(0.3 * rng.standard_normal(n))))
    ends = np.arange(STEPS_PER_EPOCH, n + 1, STEPS_PER_EPOCH)
    losses = np.asarray(whole["loss"] if whole["loss"] is not None else loss, dtype=float)
    epochs: dict[str, ArrayLike | None] = {
        "epoch_loss": [losses[e - STEPS_PER_EPOCH : e].mean() for e in ends],
        "validation_loss": 0.02 + np.array([loss[e - STEPS_PER_EPOCH : e].mean() for e in ends]),
    }
    epochs |= {
        k: v for k, v in replaced.items() if k.startswith(("epoch_", "validation_", "probe_", "output_"))
    }
    for name, values in epochs.items():
        if values is not None:
            count = len(np.asarray(values))
            made.append(
                series(name, values, ends if count == len(ends) else np.arange(count) * STEPS_PER_EPOCH)
            )
    facts = {
        "step_unit": "step",
        "optimizer": {"name": "adam"},
        "initial_loss": 2.31,
        "constant_prediction_loss": 2.3026,
        "tensors": [
            {"name": f"dense_{i}/kernel", "layer": f"dense_{i}", "shape": [64, 64], "size": 4096}
            for i in range(6)
        ],
        "fit": {"steps_per_epoch": STEPS_PER_EPOCH},
        "data": {"targets": [{"name": "y", "kind": "classes", "class_counts": [100] * 10}]},
        "watch": {"probe_examples": 256},
    }
    events = [Event(int(e), "epoch", {"epoch": i + 1}) for i, e in enumerate(ends)]
    events.append(Event(n, "finished", {"reason": "completed"}))
    return Record.of(made, {**facts, **(info or {})}, events)


def having(record: Record, *extra: Series) -> Record:
    """The record with these series put in, in place of those of the same name."""
    return Record.of(
        [*(s for s in record.series.values() if s.name not in {e.name for e in extra}), *extra],
        record.info,
        record.events,
    )


def ask(code: str, record: Record) -> Finding:
    return next(rule for rule in RULES if rule.code == code).check(record)


def concerns(record: Record) -> set[str]:
    return {f.code for f in (rule.check(record) for rule in RULES) if f.verdict is Verdict.CONCERN}


def stuck(n: int = 2000, level: float = 2.31, seed: int = 1) -> np.ndarray:
    """Losses that go nowhere."""
    return level + 0.02 * np.random.default_rng(seed).standard_normal(n)
