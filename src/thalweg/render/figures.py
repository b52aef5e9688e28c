"""Where the pictures stand on a page: each with its title, its key, what is seen in it in words, and its numbers."""

from collections.abc import Sequence

from thalweg.render.markup import Html, html
from thalweg.render.picture import Picture, Table


def figures(drawn: Sequence[Picture], first: int = 1) -> Html | None:
    """The pictures one below the other, numbered from `first` on as the page's script counts them."""
    if not drawn:
        return None
    made = [_figure(picture, number) for number, picture in enumerate(drawn, start=first)]
    return html('<div class="pictures">{made}</div>', made=made)


def _figure(picture: Picture, number: int) -> Html:
    keys = [html('<li><i class="{kind}"></i>{name}</li>', kind=kind, name=name) for kind, name in picture.key]
    return html(
        '<figure class="chart picture {kind}" id="picture-{number}" tabindex="-1"><figcaption><h3>{title}</h3>'
        '<span class="unit">{unit}</span>{key}</figcaption>'
        '<div class="plot" role="img" aria-label="{title}" aria-describedby="picture-{number}-words"></div>'
        '<p class="words" id="picture-{number}-words">{words}</p><p class="how">{how}</p>{tables}</figure>',
        kind=picture.kind,
        number=number,
        title=picture.title,
        unit=picture.unit,
        key=html('<ul class="key" aria-label="Lines">{keys}</ul>', keys=keys) if keys else None,
        words=" ".join(picture.words),
        how=picture.how,
        tables=html(
            "<details><summary>In numbers</summary>{tables}</details>",
            tables=[numbers(title, each) for title, each in picture.tables.items()],
        ),
    )


def numbers(title: str, table: Table) -> Html:
    """A table of figures under its title."""
    return html(
        '<h4>{title}</h4><div class="scroll"><table class="numbers"><caption>{title}</caption>'
        "<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>",
        title=title,
        heads=[html('<th scope="col">{name}</th>', name=name) for name in table.head],
        rows=[
            html(
                '<tr><th scope="row">{first}</th>{cells}</tr>',
                first=row[0],
                cells=[html("<td>{cell}</td>", cell=cell) for cell in row[1:]],
            )
            for row in table.rows
        ],
    )
