"""The statistics behind the rules: arrays in, named frozen results out.

Total: every function answers every input, however odd (empty, NaN, infinite, 1e300, constant), without an
exception or a warning. A result that could not be computed holds NaN, and every comparison with NaN is
false: whoever compares the right way round cannot alarm on it.
"""

from thalweg.stats.alternation import Alternation, alternation
from thalweg.stats.bound import Bound, rolling_bound
from thalweg.stats.mean import Mean, mean
from thalweg.stats.profile import Profile, profile
from thalweg.stats.robust import Spread, finite, median, spread
from thalweg.stats.segments import segments
from thalweg.stats.signs import p_falls
from thalweg.stats.trend import Trend, trend
from thalweg.stats.turn import Turn, turn

__all__ = [
    "Alternation",
    "Bound",
    "Mean",
    "Profile",
    "Spread",
    "Trend",
    "Turn",
    "alternation",
    "finite",
    "mean",
    "median",
    "p_falls",
    "profile",
    "rolling_bound",
    "segments",
    "spread",
    "trend",
    "turn",
]
