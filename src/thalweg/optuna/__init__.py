"""Thalweg beside Optuna: trials pruned by diagnosis, and populations that Optuna's sampler asks for.

Takes the package `optuna` (`pip install 'thalweg[optuna]'`); `import thalweg` does not load it.
"""

try:
    import optuna as _optuna
except ModuleNotFoundError as error:
    if error.name != "optuna":
        raise
    raise ModuleNotFoundError(
        "thalweg.optuna needs the package optuna: install it with `pip install 'thalweg[optuna]'`.",
        name="optuna",
    ) from None

from thalweg.optuna.pruner import ConvergencePruner
from thalweg.optuna.searching import Search, optimize

del _optuna

__all__ = ["ConvergencePruner", "Search", "optimize"]
