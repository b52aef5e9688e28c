"""`optimize`: a study of Optuna whose trials are trained side by side, a population at a time."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.logging import get_logger
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from thalweg.comparison import Comparison, Configuration, Member
from thalweg.errors import UsageError
from thalweg.optuna.attributes import note
from thalweg.stats.median_interval import median_interval
from thalweg.words import figure, plural

SEEDS = "thalweg_seeds"
"""The user attribute of a trial that is trained here: the seeds of its members."""
LOSSES = "thalweg_losses"
"""The user attribute with the final loss of each seed, None where it is not finite."""

_log = get_logger("optuna.thalweg")  # Optuna's own way of printing


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What one call of `optimize` trained: its members, and the configuration of each trial by the trial's number."""

    members: tuple[Member, ...]
    configurations: Mapping[int, Configuration]

    def of(self, number: int) -> tuple[Member, ...]:
        """The members of a trial, by their seeds; raises `UsageError` where it was not trained in this call."""
        if number not in self.configurations:
            raise UsageError(f"Trial {number} was not trained here: its losses are in its user attributes.")
        wanted = self.configurations[number]
        return tuple(sorted((m for m in self.members if m.configuration == wanted), key=lambda m: m.seed))

    def comparison(self) -> Comparison:
        """All of them, compared; raises `UsageError` where nothing was left to train."""
        return Comparison(self.members)


def optimize(
    study: Study,
    build_model: Callable[[], Any],
    data: Sequence[Any],
    *,
    validation_data: Sequence[Any] | None = None,
    optimizers: Iterable[Any] = ("sgd", "momentum", "rmsprop", "adam"),
    learning_rates: tuple[float, float] = (1e-4, 1.0),
    schedules: Iterable[Any] = ("constant",),
    initializers: Iterable[Any] = (None,),
    batch_sizes: Iterable[int] = (32,),
    seeds: int | Iterable[int] = 3,
    epochs: int = 20,
    trials: int = 96,
    population: int = 32,
    engine: str = "auto",
    workers: int | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Search:
    """Train what the study's sampler asks for, `population` trials at a time, until `trials` are completed.

    A trial is a configuration: `optimizer`, `schedule`, `initializer` and `batch_size` are categorical parameters,
    `learning_rate` is log-uniform between the two numbers of `learning_rates`. What each of them takes, and the other
    arguments, are those of `thalweg.compare`, which trains the trials of a population side by side, with the same
    seeds in all trials. A trial is told the median over its seeds of the validation loss of the last epoch, of the
    training loss where nothing is validated.

    **Where half of the seeds or more are not finite at the end, a trial is told infinity**, and is completed. A
    failed or pruned trial is left out by many samplers, which would go on asking for what diverges; an infinite value
    is the worst there is.

    A sampler that learns from finished trials learns from whole populations: TPE's `constant_liar=True` keeps the
    trials of one apart. The same sampler and seed ask for the same trials, as long as nothing is broken off.

    With a storage the study goes on where it was broken off: `trials` counts those that are completed, whenever they
    were, and trials that were asked for and not told are trained first. So only one process at a time may drive a
    study. With a `folder` (see `thalweg.compare`) the members are kept too, and none is trained twice.

    Raises `UsageError` for a study that maximises or has several objectives, and for what cannot be searched as
    asked; else what `thalweg.compare` raises.
    """
    if len(study.directions) != 1 or study.direction != StudyDirection.MINIMIZE:
        raise UsageError("The study is to minimise one value, a loss: make it with direction='minimize'.")
    if trials < 1 or population < 1:
        raise UsageError(f"trials and population are numbers above 0: got {trials} and {population}.")
    # Keras is loaded with these: a pruner alone does not need it.
    from thalweg.keras.comparing import compare, initializer_name
    from thalweg.keras.optimizers import optimizer
    from thalweg.keras.schedules import schedule_name

    optimizers, schedules, initializers = list(optimizers), list(schedules), list(initializers)
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    space = _space(
        learning_rates,
        optimizer=[optimizer(one)[0] for one in optimizers],
        schedule=[schedule_name(one) for one in schedules],
        initializer=[initializer_name(one) for one in initializers],
        batch_size=list(batch_sizes),
    )
    members: list[Member] = []
    configurations: dict[int, Configuration] = {}
    while asked := _asked(study, space, chosen, trials, population):
        known = {member.configuration for member in members}
        fresh = [
            one for one in dict.fromkeys(configuration for _, configuration in asked) if one not in known
        ]
        if fresh:
            found = compare(
                build_model,
                data,
                validation_data=validation_data,
                optimizers=optimizers,
                schedules=schedules,
                initializers=initializers,
                seeds=chosen,
                epochs=epochs,
                configurations=fresh,
                engine=engine,
                workers=workers,
                folder=folder,
            )
            members += found.members
        configurations |= {trial.number: configuration for trial, configuration in asked}
        _tell(study, Search(tuple(members), configurations), [trial for trial, _ in asked])
    return Search(tuple(members), configurations)


def _asked(
    study: Study, space: Mapping[str, BaseDistribution], seeds: list[int], trials: int, population: int
) -> list[tuple[FrozenTrial, Configuration]]:
    """The next trials: those over which an earlier call was broken off, then new ones; none once all are done."""
    ours = [trial for trial in study.get_trials(deepcopy=False) if SEEDS in trial.user_attrs]
    completed = sum(trial.state == TrialState.COMPLETE for trial in ours)
    wanted = min(population, trials - completed)
    numbers = [trial.number for trial in ours if trial.state == TrialState.RUNNING][: max(wanted, 0)]
    while len(numbers) < wanted:
        trial = study.ask(fixed_distributions=dict(space))
        trial.set_user_attr(SEEDS, seeds)
        numbers.append(trial.number)
    every = {trial.number: trial for trial in study.get_trials()}
    return [(every[number], _configuration(every[number], space)) for number in numbers]


def _configuration(trial: FrozenTrial, space: Mapping[str, BaseDistribution]) -> Configuration:
    """What a trial asks for; raises `UsageError` where that is not in the space, as enqueued trials may have it."""
    for name, given in trial.params.items():
        choices = space[name]
        if isinstance(choices, CategoricalDistribution) and given not in choices.choices:
            offered = ", ".join(map(str, choices.choices))
            raise UsageError(
                f"Trial {trial.number} asks for the {name} {given!r}, which is not one of {offered}."
            )
    return Configuration(**trial.params)


def _tell(study: Study, search: Search, asked: list[FrozenTrial]) -> None:
    """Tell the study what its trials came to."""
    best: tuple[float, int] | None = None
    score = search.comparison().score
    for trial in asked:
        finals = [member.final(score) for member in search.of(trial.number)]
        note(study, trial, LOSSES, [loss if np.isfinite(loss) else None for loss in finals])
        level = median_interval(finals).value
        study.tell(trial.number, level)
        best = min(best, (level, trial.number)) if best else (level, trial.number)
    assert best is not None
    said = f"Trained {plural(len(asked), 'trial')}: the lowest median loss was {figure(best[0])}, of trial {best[1]}."
    _log.info(said)


def _space(rates: tuple[float, float], **choices: list[Any]) -> dict[str, BaseDistribution]:
    low, high = rates
    if not (0.0 < low <= high and np.isfinite(high)):
        raise UsageError(f"learning_rates is the lowest and the highest, above 0: got {low:g} and {high:g}.")
    space: dict[str, BaseDistribution] = {"learning_rate": FloatDistribution(low, high, log=True)}
    for name, values in choices.items():
        if not values or len(set(values)) < len(values):
            raise UsageError(
                f"Each {name.replace('_', ' ')} is to be given once, and one at least: got {values}."
            )
        space[name] = CategoricalDistribution(values)
    return space
