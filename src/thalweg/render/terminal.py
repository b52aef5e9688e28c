"""The terminal: findings as sentences that read well at any width, without colour, and in a pipe.

Nothing here interprets markup, draws boxes or relies on colour alone. On a terminal sentences wrap with a
hanging indent; elsewhere each stays on one line, as `grep` wants it: print to a `terminal()`.
"""

import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import IO, Protocol

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from thalweg.finding import Diagnosis, Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.render.lines import UNWRAPPED, Lines
from thalweg.render.plain import companions, label, plain, run_in_words, sentence, stages_in_words, unit_words
from thalweg.words import figure

_MANY = 8
"""Answers of one verdict, more than which are not all said."""
_STYLES = {Verdict.CONCERN: "bold red", Verdict.SATISFACTORY: "green", Verdict.UNASSESSED: "dim"}


def terminal(file: IO[str] | None = None) -> Console:
    """A console for these views: it wraps on a terminal only, and leaves numbers and markup alone.

    `file` is standard output where not given.
    """
    target = file or sys.stdout
    width = None if target.isatty() else UNWRAPPED
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


@dataclass(frozen=True, slots=True)
class DiagnosisView:
    """For a person: is it converging, what is wrong and what to do, what is well, what is not known.

    `run` is the argument with which the command line finds this run again; without it the last line does
    not offer the report. Unless `full`, of many answers that are no concern only those about the outcome are
    said, the others named.
    """

    diagnosis: Diagnosis
    record: Record
    run: str | None = None
    full: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = Lines(console, options)
        if (first := self.diagnosis.first) is not None:
            yield from page.lines(_remedy(first, "Change first: "))
        yield from page.lines(Text(plain(self.diagnosis.answer), style="bold"))
        yield from page.lines(Text(run_in_words(self.record), style="dim"))
        if self.diagnosis.stages:
            yield from page.lines(Text(stages_in_words(self.diagnosis.stages, self.record), style="dim"))
        for finding in self.diagnosis.causes:
            yield Text()
            yield from self._concern(page, finding)
        yield from self._briefly(page, "Satisfactory", Verdict.SATISFACTORY)
        yield from self._briefly(page, "Not assessed", Verdict.UNASSESSED)
        hints = self._hints()
        if hints:
            yield Text()
        for hint in hints:
            yield from page.lines(Text(hint, style="dim"))

    def _concern(self, page: "Lines", finding: Finding) -> Iterable[Text]:
        where = [plain(finding.layer)] if finding.layer else []
        where += [f"step {finding.step:,}"] if finding.step is not None else []
        head = _head(finding)
        head.append(f"{label(finding.title)}", style="bold")
        if where:
            head.append(f" ({', '.join(where)})")
        yield from page.lines(head)
        yield from page.lines(Text(plain(finding.message)), indent=2)
        for line in _further(finding):
            yield from page.lines(Text(line, style="dim"), indent=2)
        for number, remedy in enumerate(finding.remedies, start=1):
            text = _remedy(remedy).append(f" {sentence(remedy.reason)}")
            yield from page.lines(text, lead=f"{number}. ", indent=2)
        explained = self.diagnosis.explained_by(finding)
        if explained:
            yield from page.lines(Text("Because of this:"), indent=2)
        for effect in explained:
            code = Text(f"{plain(effect.code)}  ", style=_STYLES[effect.verdict])
            yield from page.lines(Text(sentence(plain(effect.message))), lead=code, indent=4)

    def _briefly(self, page: "Lines", title: str, verdict: Verdict) -> Iterable[Text]:
        findings = self.diagnosis.of(verdict)
        if not findings:
            return
        yield Text()
        yield from page.lines(Text(f"{title} ({len(findings)})", style="bold"))
        said = [f for f in findings if self._says(f)]
        for finding in said:
            message = plain(finding.message).removeprefix("Not assessed: ")
            code = Text(f"{plain(finding.code)}  ", style=_STYLES[verdict])
            yield from page.lines(Text(sentence(message)), lead=code, indent=2)
        named = [plain(f.code) for f in findings if f not in said]
        if named:
            lead = f"and {len(named):,} more: " if said else ""
            yield from page.lines(Text(", ".join(named)), lead=lead, indent=2)

    def _says(self, finding: Finding) -> bool:
        few = finding.verdict is Verdict.CONCERN or len(self.diagnosis.of(finding.verdict)) <= _MANY
        return self.full or few or finding.family is Family.OUTCOME

    def _hints(self) -> list[str]:
        """What to type next."""
        codes = [plain(f.code) for f in self.diagnosis.causes[:1]]
        hints = [f"More about a finding: thalweg explain {code}" for code in codes]
        if self.run is not None:
            if not all(self._says(f) for f in self.diagnosis):
                hints.append(f"Every answer in words: thalweg diagnose --all {shlex.quote(plain(self.run))}")
            hints.append(f"The curves: thalweg report {shlex.quote(plain(self.run))}")
        return hints


def finding_line(finding: Finding) -> Text:
    """A finding in one line, for the moment at which it comes up while the run goes on."""
    line = Text("thalweg: ")
    line.append_text(_head(finding))
    message = plain(finding.message)
    if finding.step is not None and f"step {finding.step:,}" not in message.lower():
        line.append(f"at step {finding.step:,}: ")
    return line.append(message)


class Run(Protocol):
    """A run in short, as the store counts it."""

    @property
    def path(self) -> PathLike[str]:
        """How the command line finds the run."""

    @property
    def steps(self) -> int:
        """How many optimizer steps it made."""

    @property
    def epochs(self) -> int:
        """How many epochs it finished."""

    @property
    def last_loss(self) -> float | None:
        """The last loss known."""

    @property
    def finished(self) -> str:
        """How it ended; empty where it did not."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in a table; every cell is text that is ready to show, or None where there is nothing to say."""

    name: str | None
    steps: str | None
    epochs: str | None
    last_loss: str | None
    finished: str | None
    answer: str | None = None

    @classmethod
    def of(cls, run: Run, answer: str | None = None) -> "RunRow":
        """The row of a run, by the path that the other commands take; `answer`: whether it converged."""
        loss = None if run.last_loss is None else figure(run.last_loss)
        finished = run.finished or "not finished"
        return cls(fspath(run.path), figure(run.steps), figure(run.epochs), loss, finished, answer)


@dataclass(frozen=True, slots=True)
class ConcernsView:
    """What to change first in one run of several, and its concerns in a line each; so many more have the same."""

    diagnosis: Diagnosis
    run: str
    alike: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = Lines(console, options)
        name = Text(plain(self.run), style="bold")
        yield from page.lines(name.append(f", and {self.alike:,} more like it") if self.alike else name)
        if (first := self.diagnosis.first) is not None:
            yield from page.lines(_remedy(first, "Change first: "), indent=2)
        for finding in self.diagnosis.causes:
            yield from page.lines(Text(sentence(plain(finding.message))), lead=_head(finding), indent=2)
        yield from page.lines(
            Text(f"More: thalweg diagnose {shlex.quote(plain(self.run))}", style="dim"), indent=2
        )


@dataclass(frozen=True, slots=True)
class RunsTable:
    """Runs, one a row: how long each was, how it ended and whether it converged. Names are never cut."""

    rows: Sequence[RunRow]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = Lines(console, options)
        table = [("RUN", "STEPS", "EPOCHS", "LAST LOSS", "FINISHED", "ANSWER")]
        for row in self.rows:
            cells = (row.name, row.steps, row.epochs, row.last_loss, row.finished, row.answer)
            table.append(tuple("-" if c is None else plain(c) for c in cells))  # type: ignore[arg-type]
        widths = [max(cell_len(cells[column]) for cells in table) for column in range(5)]
        start = sum(widths) + 2 * len(widths)
        beside = page.width - start >= 28
        for number, cells in enumerate(table):
            style = "bold" if number == 0 else ""
            line = Text(style=style)
            for column, cell in enumerate(cells[:5]):
                gap = " " * (widths[column] - cell_len(cell))
                line.append(gap + cell if column in (1, 2, 3) else cell + gap)
                line.append("  ")
            if beside:
                yield from page.lines(Text(cells[5], style=style), lead=line)
                continue
            line.rstrip()
            yield from page.lines(line)
            if number:
                yield from page.lines(Text(cells[5]), indent=2)


def _remedy(remedy: Remedy, lead: str = "") -> Text:
    text = Text.assemble(lead, (sentence(remedy.action), "bold"))
    return text.append(f" `{plain(remedy.code)}`") if remedy.code else text


def _head(finding: Finding) -> Text:
    text = Text(f"{finding.verdict}[{plain(finding.code)}]", style=_STYLES[finding.verdict])
    return Text().append_text(text).append(" ")


def _further(finding: Finding) -> list[str]:
    """The evidence that the message does not already give in full, one entry a line."""
    said = plain(finding.message)
    return [
        f"{label(name)}: {_in_full(evidence)}"
        for name, evidence in finding.evidence.items()
        if not all(words in said for words in [str(evidence), *(w for _, w in companions(evidence))])
    ]


def _in_full(evidence: Evidence) -> str:
    figure = " ".join(filter(None, (plain(evidence), unit_words(evidence.unit))))
    beside = ", ".join(f"{name} {words}" for name, words in companions(evidence))
    return f"{figure} ({beside})" if beside else figure
