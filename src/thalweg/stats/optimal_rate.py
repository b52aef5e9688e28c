"""The best learning rate of a long training, told from short ones at several rates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTH, SHARE = 0.1, 0.2
"""A rate whose loss is so much, relatively, above the lowest, or this share of the fall, counts 1/e of the best."""
FLAT, WANDERS, SEED = 0.2, 0.25, 0.2
"""Standard deviations of the best rate in decades: of where in its valley it lies; for each decade of steps that it
is told beyond what was trained; of a seed, where there is one only. All of these were set on the trainings that
benchmarks/lr_find_tasks.py calls DEVELOPED."""
HELD = 0.8
"""The share of the intervals that held the best rate of a grid, on trainings on which none of this was set: they were
made for 95 % (docs/lr_find.md)."""
_NORMAL = 1.959964
"""Of a normal distribution, 95 % lie within so many standard deviations."""


@dataclass(frozen=True, slots=True, eq=False)
class OptimalRate:
    """The best rate after `budget` steps, with an interval: made for 95 %, it was seen to hold in HELD.

    `drift` is the power of the number of steps with which the best rate falls, from -1 (it is the product of rate and
    steps that counts) to 0 (the best rate stays); `centres` (n,) are the best rates at the steps that were trained.
    NaN where no loss was finite.
    """

    rate: float
    low: float
    high: float
    drift: float
    centres: NDArray[np.float64]


def centre(rates: ArrayLike, losses: ArrayLike, start: float = np.inf) -> float:
    """The middle of the valley that losses (k,) have over rates (k,): a weighted geometric mean; NaN without one.

    A weight is exp(-d / w), d being how far a loss lies above the lowest: the logarithm of their ratio where the
    lowest is above 0, else their difference in units of its size; w is WIDTH, or SHARE times the d of the loss
    `start`, that before the first step, where that is less: after few steps all lie near one another. What is not
    finite weighs nothing. Unlike the place of the lowest loss it does not jump about where the valley is flat, and
    keeps away from a steep side.
    """
    u, y = np.log(np.asarray(rates, np.float64)), np.asarray(losses, np.float64)
    good = np.isfinite(y)
    if not good.any():
        return np.nan
    u, y = u[good], y[good]
    width = WIDTH
    if np.isfinite(start):
        width = float(np.clip(SHARE * _above(np.append(y, start))[-1], 1e-3, WIDTH))
    weights = np.exp(-_above(y) / width)
    return float(np.exp(weights @ u / weights.sum()))


def optimal_rate(
    rates: ArrayLike, losses: ArrayLike, steps: ArrayLike, budget: float, start: float = np.inf
) -> OptimalRate:
    """The best of rates (k,) after `budget` steps, of the losses (n, m, k) that m seeds had after steps (n,).

    `start` is the loss before the first step.

    The best rate of a longer training is lower wherever what counts is how far the weights get (in the flow of the
    gradient: the product of rate and steps), and the same where it is the highest that is stable; between the two it
    falls as a power of the number of steps. So the logarithms of the centres of the n valleys are laid on a straight
    line over those of the steps, its slope held between -1 and 0, and followed to the budget. A seed's loss that is
    not finite makes its rate's so in all.

    The interval is that of a normal distribution with the variance FLAT^2 + (WANDERS log10(budget / last step))^2 +
    s^2 / m in squared decades, s being the standard deviation of what the seeds say singly, SEED of one seed.
    """
    y = np.asarray(losses, np.float64)
    t = np.log10(np.asarray(steps, np.float64))
    far, seeds = np.log10(budget), y.shape[1]
    each = [_line(rates, y[:, [seed]], t, far, start)[0] for seed in range(seeds)]
    found, drift, centres = _line(rates, y, t, far, start)
    if not np.isfinite(found):
        return OptimalRate(np.nan, np.nan, np.nan, np.nan, centres)
    known = [one for one in each if np.isfinite(one)]
    scatter = float(np.var(known, ddof=1)) / len(known) if len(known) > 1 else SEED**2
    spread = float(np.sqrt(FLAT**2 + (WANDERS * max(far - t[-1], 0.0)) ** 2 + scatter))
    low, high = found - _NORMAL * spread, found + _NORMAL * spread
    return OptimalRate(10.0**found, 10.0**low, 10.0**high, drift, centres)


def _line(
    rates: ArrayLike, losses: NDArray[np.float64], t: NDArray[np.float64], far: float, start: float
) -> tuple[float, float, NDArray[np.float64]]:
    """What the centres of losses (n, m, k) say of `far`, log10 of a rate; their slope; and they."""
    centres = np.array([centre(rates, _mean(part), start) for part in losses])
    good = np.isfinite(centres)
    if not good.any():
        return np.nan, np.nan, centres
    x, v = np.log10(centres[good]), t[good]
    v_mean, x_mean = v.mean(), x.mean()
    across = float((v - v_mean) @ (v - v_mean))
    slope = float(np.clip((v - v_mean) @ (x - x_mean) / across, -1.0, 0.0)) if across > 0.0 else 0.0
    return float(x_mean + slope * (far - v_mean)), slope, centres


def _mean(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over seeds, (m, k) to (k,), infinite where one is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = losses.mean(axis=0)
    return np.where(np.isfinite(found), found, np.inf)


def _above(y: NDArray[np.float64]) -> NDArray[np.float64]:
    lowest = float(y.min())
    if lowest > 0.0:
        return np.asarray(np.log(y / lowest))
    size = abs(lowest) or float(np.median(y)) or 1.0
    return (y - lowest) / size
