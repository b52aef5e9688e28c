"""From the text of a cell to a number, as people and programs write them."""

import re
from collections.abc import Iterable

ABSENT = frozenset({"", "na", "n/a", "#n/a", "<na>", "none", "null", "nil", "missing", "-", "--", "?"})
"""Cells that say nothing was measured, in small letters; `nan` and `inf` were measured."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?inf(?:inity)?|nan"
_PRINTED = re.compile(rf"(?:[a-z_.]+\d*)?[\[(]+({_NUMBER})[\])]*(?:,.*)?", re.IGNORECASE)
"""A value as Python prints it: `tensor(0.25, device='cuda:0')`, `np.float32(0.25)`, `[0.25]`."""
_OLD_C = re.compile(r"([-+]?)1\.#(inf|ind|qnan|snan)0*", re.IGNORECASE)
_GROUPS = re.compile(r"(?<=\d)[\s'\u2019](?=\d{3}(?!\d))")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+")


def decimal_comma(cells: Iterable[str], separator: str) -> bool:
    """Whether the comma in these cells of a log is the decimal point, as in much of Europe.

    Where the cells themselves do not tell (`1,234`), the separator of the columns does: a log that has a comma
    for it writes points.
    """
    european = separator != ","
    for cell in cells:
        comma, point = cell.rfind(","), cell.rfind(".")
        if comma < 0 or cell.strip("+-0123456789.,eE \t'") != "":
            continue
        if point >= 0:
            return comma > point
        if not _THOUSANDS.fullmatch(cell.strip()):
            european = True
    return european


def number(cell: str, comma: bool = False) -> float | str | None:
    """The number in a cell; None where it says that nothing was measured, the cell itself where it is text."""
    if "," not in cell:
        try:
            return float(cell)
        except ValueError:
            pass
    text = cell.strip()
    if text.lower() in ABSENT:
        return None
    bare = _GROUPS.sub("", text.removesuffix("%"))
    if "," in bare and "(" not in bare and "[" not in bare:
        bare = bare.replace(".", "").replace(",", ".", 1) if comma else bare.replace(",", "")
    if printed := _PRINTED.fullmatch(bare):
        bare = printed[1]
    if old := _OLD_C.fullmatch(bare):
        bare = f"{old[1]}inf" if old[2].lower() == "inf" else "nan"
    try:
        return float(bare)
    except ValueError:
        return cell
