"""The confusion matrix as a picture: an SVG that needs no library."""

from collections.abc import Mapping
from html import escape

from thalweg import Family

CELL, LEFT, TOP = 62, 150, 120
ROWS = [*(str(f) for f in Family if f is not Family.OUTCOME), "healthy"]
COLUMNS = [*(str(f) for f in Family), "nothing"]


def svg(counts: Mapping[tuple[str, str], int], title: str) -> str:
    """Rows are what was wrong, columns what the first finding was about; shades are shares of the row."""
    width, height = LEFT + CELL * len(COLUMNS) + 20, TOP + CELL * len(ROWS) + 20
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/><text x="10" y="20" font-size="14">'
        f"{escape(title)}</text>"
    ]
    for j, column in enumerate(COLUMNS):
        x = LEFT + CELL * (j + 0.5)
        out.append(
            f'<text x="{x}" y="{TOP - 8}" transform="rotate(-40 {x} {TOP - 8})">{escape(column)}</text>'
        )
    for i, row in enumerate(ROWS):
        y, total = TOP + CELL * i, sum(counts.get((row, column), 0) for column in COLUMNS)
        out.append(
            f'<text x="{LEFT - 10}" y="{y + CELL / 2 + 4}" text-anchor="end">{escape(row)} ({total})</text>'
        )
        for j, column in enumerate(COLUMNS):
            count = counts.get((row, column), 0)
            share = count / total if total else 0.0
            right = row == column or (row == "healthy" and column == "nothing")
            ink = "white" if share > 0.6 else "black"
            out.append(
                f'<rect x="{LEFT + CELL * j}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" '
                f'fill="{"#1b7837" if right else "#b2182b"}" fill-opacity="{share:.3f}" stroke="#ccc"/>'
            )
            if count:
                out.append(
                    f'<text x="{LEFT + CELL * (j + 0.5) - 1}" y="{y + CELL / 2 + 4}" text-anchor="middle" '
                    f'fill="{ink}">{count}</text>'
                )
    return "\n".join([*out, "</svg>\n"])
