"""Which rules to ask: chosen by code, by the beginning of a code, or by family, as Ruff's users know it."""

import re
from collections.abc import Iterable, Sequence

from thalweg.errors import UsageError, nearest
from thalweg.finding import Family
from thalweg.rule import Rule


def chosen(
    rules: Iterable[Rule], select: Iterable[str] | None = None, ignore: Iterable[str] = ()
) -> tuple[Rule, ...]:
    """The rules that `select` names (all, where it is None) and `ignore` does not.

    A name is a code (`G002`), the letters of codes (`G`), the beginning of one (`L00`), a family (`data`,
    `output`, `output-and-loss`) or `all`; capitals do not matter. Where both name a rule, the narrower name
    counts, and `ignore` where they are alike: `--select L --ignore L004` leaves L004 out, and
    `--ignore L --select L004` does not.

    Raises `UsageError` for a name that is no rule's, and where no rule is left.
    """
    known = tuple(rules)
    wanted = ("all",) if select is None else _names(select)
    unwanted = _names(ignore)
    for option, names in (("select", wanted), ("ignore", unwanted)):
        for name in names:
            if _key(name) not in ("all", *_FAMILIES) and not any(_width(name, rule) for rule in known):
                raise UsageError(f"{option}: there is no rule or family {name!r}{_hint(name, known)}")
    left = tuple(rule for rule in known if _best(wanted, rule) > _best(unwanted, rule))
    if known and not left:
        raise UsageError(
            f"no rule is left to ask: select names {', '.join(wanted) or 'nothing'}, "
            f"and ignore {', '.join(unwanted) or 'nothing'}"
        )
    return left


def _names(given: Iterable[str]) -> tuple[str, ...]:
    """The names in one or several texts, which commas may part."""
    texts = [given] if isinstance(given, str) else given
    return tuple(name.strip() for text in texts for name in str(text).split(",") if name.strip())


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())


_FAMILIES = {_key(name): family for family in Family for name in (family.value, family.name)}


def _width(name: str, rule: Rule) -> int:
    """How narrowly a name means a rule: 0 not at all, 1 all, 2 its family or letters, more its code."""
    key, code = _key(name), rule.code.casefold()
    if key == "all":
        return 1
    if _FAMILIES.get(key) is rule.family or key == code.rstrip("0123456789"):
        return 2
    # `G` is not the beginning of `GX001`: letters mean whole letters.
    return 2 + len(key) if key[-1:].isdigit() and code.startswith(key) else 0


def _best(names: Sequence[str], rule: Rule) -> int:
    return max((_width(name, rule) for name in names), default=0)


def _hint(name: str, rules: Sequence[Rule]) -> str:
    known = (*(rule.code for rule in rules), *_FAMILIES)
    return nearest(name, known) or ": `thalweg explain` lists all"
