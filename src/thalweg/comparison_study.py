"""What `compare` returns: a comparison that can be printed, taken into a table, and written as a page."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import final, overload

from thalweg.certificate import Certificate
from thalweg.comparison import Comparison, Member, Summary
from thalweg.stats.median_interval import Median
from thalweg.study_examination import StudyExamination

Valleys = Callable[[Sequence[Member]], tuple[StudyExamination, Certificate | None]]
_SEEDS = 5
"""Of so many seeds the models are looked at."""
_FEW = 50
"""Configurations that a printed table has a row for each of."""


@final
@dataclass(frozen=True, eq=False)
class ComparisonStudy(Comparison):
    """A comparison with the ways to look at it.

    It adds these to what is known and overrides nothing: a `Comparison` lies below everything that is shown, and
    may not know of it. `valleys` measures whether the seeds of a configuration ended in one valley, where their
    models can be had.
    """

    valleys: Valleys | None = None

    def table(self) -> "ComparisonTable":
        """What the command line prints, and a mapping for each configuration: `pandas.DataFrame(study.table())`."""
        return ComparisonTable(self)

    def report(
        self,
        path: str | os.PathLike[str] = "compare.html",
    ) -> Path:
        """Write it as one self-contained HTML page, and return where that is.

        It also shows whether the first five seeds of the best configuration ended in one valley, which is measured
        now.

        Raises `OSError` where the page cannot be written, `RunFolderError` where the record of a training cannot be
        read.
        """
        from thalweg.render import comparison_page  # charts: nothing that `import thalweg` should wait for

        target = Path(path)
        target.write_text(comparison_page(self, *self.best_valleys()), encoding="utf-8")
        return target

    def best_valleys(self) -> tuple[StudyExamination | None, Certificate | None]:
        """What was measured of the first seeds of the best configuration, and what may be claimed of it."""
        best = [m for m in self.of()[self.summaries()[0].configuration] if not m.diverged][:_SEEDS]
        return self.valleys(best) if self.valleys and len(best) > 1 else (None, None)


@final
@dataclass(frozen=True, eq=False, repr=False)
class ComparisonTable(Sequence[Mapping[str, object]]):
    """A row for each configuration, the lowest loss first; printed, it is what the command line prints.

    A row has `optimizer`, `learning_rate`, `schedule`, `initializer` and `batch_size`; `seeds`, and how many of them
    `diverged`, `oscillated`, `never_fell` and `reached` the target; `validation_loss`, `training_loss`,
    `steps_to_target` and `seconds_to_target`, each a median with the ends of its interval (as
    `validation_loss_low` and `validation_loss_high`), infinite where half of the seeds diverged or never came, NaN
    where it was not measured; and `above_best`, by how much the loss lay above that of the best, with the ends of an
    interval of 95 % for all configurations together, NaN where it is not known.
    """

    comparison: Comparison

    @cached_property
    def _rows(self) -> tuple[Mapping[str, object], ...]:
        return tuple(_row(summary) for summary in self.comparison.summaries())

    @overload
    def __getitem__(self, index: int) -> Mapping[str, object]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, object]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, object] | Sequence[Mapping[str, object]]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        return iter(self._rows)

    def __str__(self) -> str:
        from rich.console import Console

        from thalweg.render import ComparisonView

        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 160
        console = Console(width=width, color_system=None, highlight=False, markup=False, emoji=False)
        with console.capture() as capture:
            console.print(ComparisonView(self.comparison, full=len(self) <= _FEW))
        return capture.get().rstrip("\n")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """For a notebook."""
        from thalweg.render import comparison_table

        return comparison_table(self.comparison)


def _row(summary: Summary) -> Mapping[str, object]:
    above = summary.above
    configuration = summary.configuration
    return {
        "optimizer": configuration.optimizer,
        "learning_rate": configuration.learning_rate,
        "schedule": configuration.schedule,
        "initializer": configuration.initializer,
        "batch_size": configuration.batch_size,
        "seeds": summary.seeds,
        "diverged": summary.diverged,
        "oscillated": summary.oscillated,
        "never_fell": summary.stuck,
        "reached": summary.reached,
        **_ends("validation_loss", summary.validation),
        **_ends("training_loss", summary.training),
        **_ends("steps_to_target", summary.steps),
        **_ends("seconds_to_target", summary.seconds),
        "above_best": above.difference if above else 0.0,
        "above_best_low": above.lower if above else 0.0,
        "above_best_high": above.upper if above else 0.0,
    }


def _ends(name: str, found: Median) -> Mapping[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
