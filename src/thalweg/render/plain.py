"""Text from outside, made harmless to show: names, messages and settings that a stranger may have chosen."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from thalweg.finding import Evidence, Stage
from thalweg.record import Record
from thalweg.words import figure, plural

# Cc would move the cursor or ring the bell, Cf can reverse the reading order, Cs cannot be encoded.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs"})
# A whole terminal sequence goes, not only its first character: "[31m" is no part of a name.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")


def plain(text: object) -> str:
    """One line without control, formatting and surrogate characters; any white space becomes one space."""
    words = " ".join(_ESCAPES.sub("", str(text)).split())
    if words.isascii() and words.isprintable():
        return words
    return "".join(c for c in words if unicodedata.category(c) not in _UNPRINTABLE)


def sentence(text: str, *, capital: bool = True) -> str:
    """The text with a capital and a full stop, as rules write remedies and reasons with or without them."""
    words = plain(text)
    return (
        (words[:1].upper() if capital else words[:1])
        + words[1:]
        + ("" if words.endswith((".", "!", "?")) or not words else ".")
    )


def label(name: str) -> str:
    """A name of the source as words: `gradient_norm` reads `gradient norm`."""
    return plain(name).replace("_", " ")


def unit_words(unit: str) -> str:
    """A unit as it stands behind a figure: empty where the figure needs none."""
    return "" if unit in ("", "1", "fraction") else plain(unit)


def listed(items: Iterable[object], most: int) -> str:
    """The first `most` items with commas, and how many more there are."""
    words = [figure(i) if isinstance(i, int | float) else plain(i) for i in items]
    rest = len(words) - most
    return ", ".join(words[:most]) + (f", and {rest:,} more" if rest > 0 else "")


def companions(evidence: Evidence) -> list[tuple[str, str]]:
    """What an evidence stands beside, in words: its usual value and its threshold, where it has them."""
    pairs = (("usual", evidence.usual), ("threshold", evidence.threshold))
    return [(name, evidence.words(value)) for name, value in pairs if value is not None]


def stages_in_words(stages: Sequence[Stage], record: Record) -> str:
    """The stages in a line: `falling to step 480, plateau to step 2,000`."""
    unit = plain(record.info.get("step_unit") or "step")
    return ", ".join(f"{plain(stage.name)} to {unit} {stage.last:,}" for stage in stages)


def run_in_words(record: Record) -> str:
    """The run in a line: its name, how far it went, how it ended."""
    info = record.info
    parts = [plain(info.get("name") or "unnamed run")]
    epochs = sum(e.kind == "epoch" for e in record.events)
    unit = plain(info.get("step_unit") or "step")
    parts.append(plural(record.last_step, unit) + (f" in {plural(epochs, 'epoch')}" if epochs else ""))
    parts += [plain(e.detail.get("reason", "finished")) for e in record.events if e.kind == "finished"][-1:]
    return ", ".join(parts)
