"""What is noted of a trial."""

from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial


def note(study: Study, trial: FrozenTrial, key: str, value: Any) -> None:
    """Set a user attribute of a trial that is running; a frozen trial cannot be written to.

    By the study's storage, which Optuna keeps to itself, as its own pruners do it.
    """
    study._storage.set_trial_user_attr(trial._trial_id, key, value)
