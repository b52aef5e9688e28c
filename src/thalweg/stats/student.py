"""Student's t distribution.

SciPy is imported at its first use: that takes a fifth of a second, which `import thalweg` cannot spare.
"""


def distribution(degrees: float, t: float) -> float:
    """P(T <= t) at these degrees of freedom; NaN where either is."""
    from scipy.special import stdtr

    return float(stdtr(degrees, t))


def quantile(degrees: float, probability: float) -> float:
    """The t that T stays under with this probability; NaN where the degrees are."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))
