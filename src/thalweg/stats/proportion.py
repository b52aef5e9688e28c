"""How certain a share is that was counted."""


def proportion_interval(count: int, whole: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of the probability behind `count` of `whole` independent trials.

    It holds the probability at least as often as `confidence` says (Biometrika 26, 1934, 404-413), and is (0, 1)
    where nothing was tried.
    """
    from scipy.special import betaincinv

    if not 0 <= count <= whole or whole < 1:
        return 0.0, 1.0
    miss = (1.0 - confidence) / 2.0
    low = float(betaincinv(count, whole - count + 1, miss)) if count else 0.0
    high = float(betaincinv(count + 1, whole - count, 1.0 - miss)) if count < whole else 1.0
    return low, high
