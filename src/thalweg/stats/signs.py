"""Falling again and again: a trend that shows in the signs alone."""

import numpy as np
from numpy.typing import ArrayLike

from thalweg.stats.robust import finite


def p_falls(values: ArrayLike) -> float:
    """The chance of so many falls from one value to the next, if a fall were as likely as a rise (one-sided).

    The sign test of the n - 1 differences of values (n,): P(X >= falls) for X binomial (n - 1, 1/2) (Moore & Wallis,
    *J. Am. Stat. Assoc.* 38, 1943, for the count; the probability here is that of the random walk). It is exact for
    a random walk without drift, which wanders further than any noise about a level, and errs on the safe side for
    independent noise, whose falls and rises alternate. No change is no fall. One for fewer than two values.
    """
    from scipy import special  # half of the time that it takes to load Thalweg, if loaded with it

    x = finite(values)
    falls = int(np.sum(x[1:] < x[:-1]))
    return float(special.bdtrc(falls - 1, len(x) - 1, 0.5)) if falls else 1.0
