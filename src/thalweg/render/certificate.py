"""A certificate as sentences: what may be claimed, how each claim stands, and what it rests on."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from thalweg.certificate import Certificate, Claim, Status
from thalweg.render.lines import Lines
from thalweg.render.plain import plain, sentence

_STYLES = {Status.ESTABLISHED: "green", Status.REFUTED: "bold red", Status.NOT_ESTABLISHED: "dim"}
_BESIDE = 28
"""Columns that a statement needs beside the name of its claim; with fewer it stands below."""
_TITLES = {
    Status.REFUTED: "Refuted",
    Status.ESTABLISHED: "Established",
    Status.NOT_ESTABLISHED: "Not established",
}


@dataclass(frozen=True, slots=True)
class CertificateView:
    """For a person: where the parameters ended up, and each claim with its reason and scope.

    `about` says in a line what was certified. `runs` are the arguments with which the command line finds it again,
    `stored` that with which it finds the certificate. Assumptions are said where `full`.
    """

    certificate: Certificate
    about: str
    runs: tuple[str, ...] = ()
    stored: str | None = None
    full: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = Lines(console, options)
        yield from page.lines(Text(plain(self.certificate.head), style="bold"))
        yield from page.lines(Text(plain(self.about), style="dim"))
        for status, title in _TITLES.items():
            claims = self.certificate.of(status)
            if not claims:
                continue
            yield Text()
            yield from page.lines(Text(f"{title} ({len(claims)})", style="bold"))
            for claim in claims:
                yield from self._claim(page, claim)
        hints = self._hints()
        if hints:
            yield Text()
        for hint in hints:
            yield from page.lines(Text(hint, style="dim"))

    def _claim(self, page: Lines, claim: Claim) -> Iterable[Text]:
        name = Text(f"{plain(claim.name)}  ", style=_STYLES[claim.status])
        statement = Text(plain(claim.statement), style="bold")
        if page.width - name.cell_len - 2 >= _BESIDE:
            yield from page.lines(statement, lead=name, indent=2)
        else:
            name.rstrip()
            yield from page.lines(name, indent=2)
            yield from page.lines(statement, indent=2)
        yield from page.lines(Text(sentence(plain(claim.message))), indent=4)
        if claim.scope:
            yield from page.lines(Text(sentence(f"Looked at: {plain(claim.scope)}"), style="dim"), indent=4)
        if self.full:
            for assumption in claim.assumptions:
                yield from page.lines(Text(sentence(f"Assumes: {plain(assumption)}"), style="dim"), indent=4)

    def _hints(self) -> list[str]:
        assumes = not self.full and any(claim.assumptions for claim in self.certificate)
        runs = shlex.join(plain(run) for run in self.runs)
        hints = [f"What each claim assumes: thalweg certify --all {runs}"] if assumes and runs else []
        if self.stored is None:
            several = len(self.runs) > 1
            return (
                [*hints, f"To keep it, with its pictures: thalweg certify -o FILE {runs}"]
                if several
                else hints
            )
        stored = shlex.quote(plain(self.stored))
        hints.append(f"Recompute it: thalweg verify {stored}")
        pictured = len(self.runs) > 1 or self.runs == (self.stored,)
        return [*hints, f"The pictures: thalweg report {stored}"] if pictured else hints
