"""The rules that are asked while a run goes on."""

from collections import deque

from thalweg.finding import Verdict
from thalweg.keras.allowance import Allowance
from thalweg.keras.blocks import Block, series
from thalweg.keras.keeper import Keeper
from thalweg.keras.notices import Notices
from thalweg.record import Record
from thalweg.rules import RULES

_TAIL = 2000
"""Steps that they look back on, in whole drains."""
_LOOKS = 200
"""Looks between steps, such as the ends of epochs, that they look back on."""
_LIVE = tuple(rule for rule in RULES if rule.live)


class LiveRules:
    """Asks them after a drain, in a `share` of the run's time (None: always), and says what went wrong."""

    def __init__(self, keeper: Keeper, notices: Notices, share: float | None) -> None:
        self._keeper, self._notices = keeper, notices
        self._allowance = Allowance(share)
        self._tail: deque[tuple[int, list[Block]]] = deque()

    def follow(self, drained: list[Block]) -> None:
        """Remember the blocks of a drain, as long as the rules look back on them."""
        step = self._keeper.step
        self._tail.append((step, drained))
        while self._tail[0][0] <= step - _TAIL:
            self._tail.popleft()

    def look(self) -> None:
        """Ask, where there is time for it."""
        if self._allowance.affords():
            self.look_at_last()

    def look_at_last(self) -> None:
        """Ask: what went wrong is said while the run goes on, if ever so late."""
        self._allowance.timed(self._check)

    def _check(self) -> None:
        kept = self._keeper
        parts = [block for _, drain in self._tail for block in drain]
        record = Record.of(series([*parts, *kept.looks[-_LOOKS:]]), kept.info, kept.events)
        for rule in _LIVE:
            finding = rule.check(record)
            if finding.verdict is Verdict.CONCERN:
                self._notices.went_wrong(finding)
