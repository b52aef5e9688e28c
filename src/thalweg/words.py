"""The one module in which numbers become words.

Rules, the terminal and the page all take their figures from here, so that one value is never printed in
two ways.
"""

import math
from numbers import Integral


def figure(value: float | int | str) -> str:
    """Three significant digits: `0.0123`, `7.57`, `1.45e+03`; integers whole with commas; text as it is.

    >>> figure(1453.2), figure(4000), figure(0.00001), figure(12.34)
    ('1.45e+03', '4,000', '1e-05', '12.3')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    return f"{float(value):.3g}"


def percent(fraction: float) -> str:
    """A fraction as a percentage of three significant digits: `0.3 %`; from a thousand on whole: `-1,130 %`."""
    value = 100.0 * float(fraction)
    return f"{value:,.0f} %" if 1e3 <= abs(value) < 1e6 else f"{figure(value)} %"


def share(part: int, whole: int) -> str:
    """A count of a whole: `12 of 4,000 (0.3 %)`."""
    return f"{part:,} of {whole:,} ({percent(part / whole if whole else 0.0)})"


def duration(seconds: float) -> str:
    """A time span: `340 ms`, `12.5 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def noun(count: int, one: str, many: str | None = None) -> str:
    """The noun as it follows a count: `step` after 1, else `steps`, or `many` where given."""
    return one if count == 1 else many or f"{one}s"


def plural(count: int, one: str) -> str:
    """A count with its noun: `1 step`, `4,000 steps`."""
    return f"{count:,} {noun(count, one)}"
