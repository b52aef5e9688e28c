"""What Thalweg says on the terminal: a line before a run, a line when it goes wrong, findings after.

Keras's progress bar stays the only one. All of it goes to standard error: standard output is the script's.
"""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from thalweg.finding import Diagnosis, Finding
from thalweg.record import Record
from thalweg.render import DiagnosisView, finding_line, terminal


class Notices:
    """Says nothing unless it `speaks`; each thing once.

    `asked` are the codes of the rules whose findings are said; all where it is None. `within_epoch` is whether
    Keras's progress bar stands in a line that it has not ended.
    """

    def __init__(self, speaks: bool, *, findings: bool = True, asked: Collection[str] | None = None) -> None:
        self.speaks, self.findings, self._asked = speaks, findings, asked
        self._console = terminal(sys.stderr)
        self._said: set[str] = set()
        self.within_epoch = False

    @classmethod
    def chosen(cls, quiet: bool | None, verbose: Any) -> "Notices":
        """As asked for; by default speaking where standard error is a terminal and `fit` is not silent."""
        return cls(sys.stderr.isatty() and verbose != 0 if quiet is None else not quiet)

    def began(self, folder: Path) -> None:
        """The line before."""
        self._say(f"thalweg: watching; the run is kept in {folder}")

    def line(self, text: str) -> None:
        """One line, once, such as why some steps are not watched."""
        if text not in self._said:
            self._said.add(text)
            self._say(f"thalweg: {text}")

    def went_wrong(self, finding: Finding) -> None:
        """The line at the moment when something goes wrong, once for each rule."""
        if finding.code not in self._said and (self._asked is None or finding.code in self._asked):
            self._said.add(finding.code)
            self._say(finding_line(finding))

    def ended(self, diagnosis: Diagnosis, record: Record, folder: Path) -> None:
        """The findings after."""
        for note in diagnosis.notes:
            self.line(f"note: {note}")
        if self.speaks:
            self._console.print()
            self._console.print(DiagnosisView(diagnosis, record, str(folder)))

    def _say(self, text: Any) -> None:
        if self.speaks:
            if self.within_epoch and sys.stdout.isatty():  # leave the progress bar's line
                self._console.print()
            self._console.print(text, soft_wrap=True)
