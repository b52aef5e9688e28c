"""The table of what a finding or a claim rests on."""

from collections.abc import Mapping

from thalweg.finding import Evidence
from thalweg.render.markup import Html, html
from thalweg.render.plain import companions, label, unit_words


def evidence_table(known: Mapping[str, Evidence]) -> Html | None:
    """Each evidence with its unit, beside what is usual and what it was held against; None where there is none.

    A column in which nothing stands is left out.
    """
    if not known:
        return None
    columns = [c for c in ("usual", "threshold") if any(c in dict(companions(e)) for e in known.values())]
    rows = []
    for name, evidence in known.items():
        beside = dict(companions(evidence))
        unit = unit_words(evidence.unit)
        rows.append(
            html(
                '<tr><th scope="row">{name}{unit}</th><td>{value}</td>{beside}</tr>',
                name=label(name),
                unit=html(' <span class="unit">{unit}</span>', unit=unit)
                if unit not in label(name)
                else None,
                value=evidence,
                beside=[html("<td>{words}</td>", words=beside.get(column)) for column in columns],
            )
        )
    return html(
        '<div class="scroll"><table class="evidence"><caption>Evidence</caption><thead><tr><td></td>'
        '<th scope="col">value</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>',
        heads=[html('<th scope="col">{column}</th>', column=column) for column in columns],
        rows=rows,
    )
