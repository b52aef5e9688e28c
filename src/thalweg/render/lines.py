"""Where the lines of a view go: how wide they may be, and which characters can be written at all."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions
from rich.text import Text

UNWRAPPED = 1_000_000
"""A width that no sentence has."""
_LINE = 100
"""Characters: longer lines are hard to read, however wide the terminal."""


class Lines:
    """Where lines go: how wide they may be, and which characters can be written at all."""

    def __init__(self, console: Console, options: ConsoleOptions) -> None:
        self._console = console
        self._encoding = options.encoding
        self.width = options.max_width if options.max_width >= UNWRAPPED else min(options.max_width, _LINE)

    def lines(self, text: Text, lead: Text | str = "", indent: int = 0) -> Iterable[Text]:
        """The text wrapped to the right of its `lead`, which stands on the first line only."""
        start = Text(" " * indent) + Text.assemble(lead)
        for part in (start, text):
            part.plain = self._written(part.plain)
        hang = start.cell_len
        for number, line in enumerate(text.wrap(self._console, max(self.width - hang, 20))):
            line.rstrip()
            yield (Text(" " * hang) if number else start) + line

    def written(self, line: Text) -> Text:
        """A line that is as wide as it is."""
        line.plain = self._written(line.plain)
        line.no_wrap = True
        return line

    def _written(self, text: str) -> str:
        """A character that the terminal cannot write must not end the program in the middle of its findings."""
        if "±".encode(self._encoding, "replace") == b"?":
            text = text.replace("±", "+-")
        return text.encode(self._encoding, "replace").decode(self._encoding)
