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
_TITLES = {
    Status.REFUTED: "Refuted",
    Status.ESTABLISHED: "Established",
    Status.NOT_ESTABLISHED: "Not established",
}


@dataclass(frozen=True, slots=True)
class CertificateView:
    """For a person: where the parameters ended up, and each claim with its reason and scope.

    `about` says in a line what was certified. `run` is the argument with which the command line finds the run
    again. Assumptions are said where `full`.
    """

    certificate: Certificate
    about: str
    run: str | None = None
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
        yield from page.lines(Text(plain(claim.statement), style="bold"), lead=name, indent=2)
        yield from page.lines(Text(sentence(plain(claim.message))), indent=4)
        if claim.scope:
            yield from page.lines(Text(sentence(f"Looked at: {plain(claim.scope)}"), style="dim"), indent=4)
        if self.full:
            for assumption in claim.assumptions:
                yield from page.lines(Text(sentence(f"Assumes: {plain(assumption)}"), style="dim"), indent=4)

    def _hints(self) -> list[str]:
        if self.run is None:
            return []
        run = shlex.quote(plain(self.run))
        hints = [f"What each claim assumes: thalweg certify --all {run}"] if not self.full else []
        return [*hints, f"Recompute it: thalweg verify {run}"]
