"""The page of a comparison: the answer in words, a row for each kind and configuration, and the curves."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from thalweg.certificate import Certificate
from thalweg.comparison import Comparison, Member, Summary
from thalweg.finding import Diagnosis
from thalweg.record import Record
from thalweg.render.charts import charts
from thalweg.render.comparison_pictures import arrivals, courses, sensitivity
from thalweg.render.comparison_words import (
    Names,
    alike,
    best,
    configurations,
    kinds,
    legend,
    seeds,
    unreached,
)
from thalweg.render.facts import about_compared
from thalweg.render.figures import figures
from thalweg.render.frame import asset, framed, version
from thalweg.render.markup import Html, html, prose
from thalweg.render.picture import Picture
from thalweg.render.plain import listed, plain, sentence
from thalweg.render.study import lines
from thalweg.stats.median_interval import median_interval
from thalweg.study import Study
from thalweg.study_examination import StudyExamination
from thalweg.words import duration, figure, noun, plural, share

_KINDS, _CONFIGURATIONS = 100, 300
"""Rows of the tables: a page is for reading."""


def comparison_page(
    comparison: Comparison,
    examination: StudyExamination | None = None,
    certificate: Certificate | None = None,
) -> str:
    """The report of a comparison as one HTML document.

    `examination` is what was measured of the seeds of its best configuration, in their order, `certificate` what
    could be claimed of that: the page then shows whether these seeds reached one valley.

    Curves and tables have a bound, and what is beyond it is said, so that the page's size has one whatever the number
    of trainings.
    """
    names, first = Names.of(comparison), comparison.summaries()[0]
    drawn: list[Picture] = courses(comparison, names)
    drawn += [p for p in (sensitivity(comparison, names), arrivals(comparison, names)) if p]
    valleys = () if examination is None else _between(comparison, examination, certificate)
    level = comparison.level(first)
    same = " ".join(filter(None, (unreached(comparison), alike(comparison, names))))
    record = comparison.of()[first.configuration][0].record
    return framed(
        charts(Record.of([]), Diagnosis("", ())).payload(),
        [*drawn, *valleys[0]] if valleys else drawn,
        name=plural(len(comparison), "training"),
        skip="tables",
        links=_links(bool(valleys)),
        question="Which training is best?",
        verdict="satisfactory" if np.isfinite(level.value) else "concern",
        answer=best(comparison, names),
        below=html('<p class="certified">{same}</p>', same=same) if same else None,
        counts=_counts(comparison),
        facts=about_compared(_facts(comparison), record),
        main=html(
            asset("comparison.html"),
            kinds=_kinds(comparison, names),
            curves=figures(drawn) or html('<p class="none">No training has a loss to draw.</p>'),
            ends=_ends(comparison, names),
            valleys=_valleys(valleys, len(drawn) + 1, certificate) if valleys else None,
            configurations=_configurations(comparison, names),
            trained=_trained(comparison),
        ),
        version=version(record),
    )


def comparison_table(comparison: Comparison) -> Html:
    """Its configurations as a table, for a notebook."""
    return _configurations(comparison, Names.of(comparison), folded=False)


def _links(valleys: bool) -> Html:
    return html(
        '<a href="#kinds">Kinds</a> <a href="#curves">Curves</a> <a href="#ends">Ends</a> {valleys}'
        '<a href="#configurations">Configurations</a>',
        valleys=html('<a href="#valleys">Valleys</a> ') if valleys else None,
    )


def _counts(comparison: Comparison) -> list[Html]:
    summaries = comparison.summaries()
    diverged = sum(s.diverged for s in summaries)
    return [
        html(
            '<li class="{kind}"><a href="#{anchor}"><b>{count}</b> {what}</a></li>',
            kind=kind,
            anchor=anchor,
            count=f"{count:,}",
            what=what,
        )
        for kind, anchor, count, what in (
            ("", "configurations", len(comparison), noun(len(comparison), "training")),
            ("", "configurations", len(summaries), noun(len(summaries), "configuration")),
            ("concern" if diverged else "", "ends", diverged, "diverged"),
        )
    ]


def _facts(comparison: Comparison) -> dict[str, str]:
    aim = comparison.aim()
    steps = {int(m.curves["epoch_loss"].steps[-1]) for m in comparison if len(m.curves.get("epoch_loss", ()))}
    longest = f"up to {plural(max(steps), 'step')}" if steps else ""
    return {
        "Trainings": f"{seeds(comparison)} of each configuration",
        "Length": longest,
        "Time": duration(sum(known)) if (known := [m.seconds for m in comparison if m.seconds > 0.0]) else "",
        "Target": f"a loss of {figure(aim)}" if np.isfinite(aim) else "none: all diverged",
    }


def _kinds(comparison: Comparison, names: Names) -> Html:
    head, *rows = kinds(comparison, names)
    return html(
        '{table}<p class="note">{legend}</p>',
        table=compared_table("Kinds of training, each at its best rate", head, rows, _KINDS, ranked=True),
        legend=legend(comparison),
    )


def _configurations(comparison: Comparison, names: Names, *, folded: bool = True) -> Html:
    summaries = comparison.summaries()
    head, *rows = configurations(comparison, names, summaries)
    table = compared_table("Configurations, the lowest loss first", head, rows, _CONFIGURATIONS, ranked=True)
    if not folded:
        return table
    return html(
        '<details{open}><summary>A row for each, the lowest loss first <span class="count">{count}</span></summary>'
        "{table}</details>",
        open=html(" open") if len(summaries) <= 12 else None,
        count=f"{len(summaries):,}",
        table=table,
    )


def _ends(comparison: Comparison, names: Names) -> Html:
    """How many trainings of each kind came to what end."""
    order = {one.kind: number for number, one in enumerate(comparison.sensitivities())}
    by_kind = sorted(comparison.summaries(), key=lambda s: order[s.configuration.kind])
    rows = []
    for _, group in groupby(by_kind, key=lambda s: s.configuration.kind):
        found = list(group)
        rows.append((names.kind(found[0].configuration), *_counted(found)))
    if len(rows) > 1:
        rows.insert(0, ("all", *_counted(by_kind)))
    head = ("", "trainings", "diverged", "oscillated", "never fell", "none of these")
    return html(
        '{table}<p class="note">A training may have come to more than one of them. Diverged: a loss or gradient that '
        "was not finite, or a loss that grew (rules N001 and L002, or given up at 1,000 times its first); oscillated "
        "and never fell are the rules' L003 and L001. All rules can be asked of a training's record.</p>",
        table=compared_table("What became of the trainings", head, rows, _KINDS),
    )


def _counted(summaries: Sequence[Summary]) -> tuple[str, ...]:
    whole = sum(s.seeds for s in summaries)
    parts = (
        sum(s.diverged for s in summaries),
        sum(s.oscillated for s in summaries),
        sum(s.stuck for s in summaries),
        sum(s.well for s in summaries),
    )
    return f"{whole:,}", *(share(part, whole) if part else "0" for part in parts)


def compared_table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    most: int,
    *,
    ranked: bool = False,
) -> Html:
    """At most so many rows, and how many more there are; the first of `ranked` ones stands out."""
    rest = len(rows) - most
    return html(
        '<div class="scroll"><table class="list compared {kind}"><caption>{caption}</caption>'
        "<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{rest}",
        kind="ranked" if ranked else None,
        caption=caption,
        heads=[html('<th scope="col">{name}</th>', name=name) for name in head],
        rows=[
            html(
                '<tr><th scope="row">{first}</th>{cells}</tr>',
                first=row[0],
                cells=[html("<td>{cell}</td>", cell=cell) for cell in row[1:]],
            )
            for row in rows[:most]
        ],
        rest=html('<p class="note">And {rest} more.</p>', rest=f"{rest:,}") if rest > 0 else None,
    )


def _trained(comparison: Comparison) -> Html | None:
    """Which backend trained what, and how long it took; None where no training says so."""
    by_backend: dict[str, list[Member]] = {}
    for member in comparison:
        if member.backend:
            by_backend.setdefault(member.backend, []).append(member)
    if not by_backend:
        return None
    rows = []
    for backend, members in sorted(by_backend.items()):
        seconds = [m.seconds for m in members if np.isfinite(m.seconds)]
        optimizers = sorted({m.configuration.optimizer for m in members})
        rows.append(
            (
                plain(backend),
                share(len(members), len(comparison)),
                listed(optimizers, 8),
                duration(sum(seconds)) if seconds else "-",
                duration(median_interval(seconds).value) if seconds else "-",
            )
        )
    head = ("", "trainings", "optimizers", "time of all", "time of one, the median")
    return html(
        '<section id="trained" aria-labelledby="trained-title" tabindex="-1">'
        '<h2 id="trained-title">What trained them</h2>{table}<p class="note">Of a program that trained several each '
        "has its share, compilation in it; the times of several processes are added.</p></section>",
        table=compared_table("What trained them", head, rows, _KINDS),
    )


def _between(
    comparison: Comparison, examination: StudyExamination, certificate: Certificate | None
) -> tuple[tuple[Picture, ...], str]:
    """What lies between the seeds of the best configuration, and a sentence on what is not drawn of it."""
    members = comparison.of()[comparison.summaries()[0].configuration]
    study = Study(tuple(f"seed {m.seed}" for m in members), tuple(m.record for m in members))
    drawn, note = lines(study, certificate or (), examination)
    if not drawn and not note:
        why = examination.missing.get("lines") or examination.missing.get("model") or "they were not measured"
        note = f"The lines between the seeds are not drawn: {why}."
    return drawn, note


def _valleys(between: tuple[tuple[Picture, ...], str], first: int, certificate: Certificate | None) -> Html:
    drawn, note = between
    return html(
        '<section id="valleys" aria-labelledby="valleys-title" tabindex="-1">'
        '<h2 id="valleys-title">Which valleys the seeds reached</h2>'
        "{head}<p>The loss on the straight lines between the weights that the best configuration's "
        "seeds ended at: where it does not rise, they lie in one valley.</p>{figures}{note}</section>",
        head=html('<p class="certified">{head}</p>', head=sentence(certificate.head))
        if certificate
        else None,
        figures=figures(drawn, first),
        note=html('<p class="note">{note}</p>', note=prose(note)) if note else None,
    )
