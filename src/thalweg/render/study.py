"""The page of several runs of one training: what their certificate claims, and the loss on the way between them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from thalweg.certificate import Certificate, Claim
from thalweg.finding import Diagnosis
from thalweg.record import Record
from thalweg.render.certified import certified_together, counts
from thalweg.render.charts import charts
from thalweg.render.crossing import crossing
from thalweg.render.facts import about_runs, runs
from thalweg.render.frame import asset, framed, version
from thalweg.render.markup import html
from thalweg.render.picture import Picture
from thalweg.render.plain import plain, sentence
from thalweg.study import Study
from thalweg.study_examination import Line, StudyExamination
from thalweg.words import figure, plural

_MOST = 5
"""Lines that are drawn: one reads no more of them."""
_COLOURS = {0: "satisfactory", 1: "concern"}


def study_page(study: Study, certificate: Certificate, examination: StudyExamination) -> str:
    """The report of several runs as one HTML document: their claims, and pictures of the lines between them."""
    drawn, note = lines(study, certificate, examination)
    outcome, _, reason = plain(certificate.head).partition(": ")
    return framed(
        charts(Record.of([]), Diagnosis("", ())).payload(),
        drawn,
        name=plural(len(study), "run"),
        skip="claims",
        links=html('<a href="#certificate">Certificate</a> <a href="#runs">Runs</a>'),
        question="Do the seeds agree?",
        verdict=_COLOURS.get(certificate.exit_code, "unassessed"),
        answer=sentence(outcome),
        below=html('<p class="certified">{reason}</p>', reason=sentence(reason)) if reason else None,
        counts=counts(certificate),
        facts=about_runs(study, examination),
        main=html(
            asset("study.html"),
            certificate=certified_together(certificate, drawn, note),
            runs=runs(study, examination),
        ),
        version=version(study.records[0]),
    )


def lines(
    study: Study, claims: Iterable[Claim], examination: StudyExamination
) -> tuple[tuple[Picture, ...], str]:
    """The lines between solutions that one reads first, and a sentence on those that are not drawn.

    First comes the line that a claim names, then those from the first run to the others.
    """
    named = {
        (str(claim.evidence["first"].value), str(claim.evidence["second"].value))
        for claim in claims
        if {"first", "second"} <= set(claim.evidence)
    }
    measured = sorted(
        examination.lines or (),
        key=lambda line: ((study.called(line.first), study.called(line.second)) not in named, line.first),
    )
    unmatched = examination.missing.get("matching", "")
    short = _short(study.names)
    made = []
    for line in measured[:_MOST]:
        first, second = study.called(line.first), study.called(line.second)
        made.append(_line(line, (short.get(first, first), short.get(second, second)), unmatched))
    drawn = tuple(picture for picture in made if picture)
    note = f"{len(drawn):,} of the {len(measured):,} lines between runs that were looked at are drawn."
    return drawn, note if len(drawn) < len(measured) else ""


def _short(names: Sequence[str]) -> dict[str, str]:
    """Each name without the folder that all of them have before them: the heading of a picture has little room."""
    parts = [Path(name).parts for name in names]
    folders = zip(*(each[:-1] for each in parts), strict=False)
    common = len(list(takewhile(lambda folder: len(set(folder)) == 1, folders)))
    return {name: str(Path(*each[common:])) for name, each in zip(names, parts, strict=True)}


def _line(line: Line, ends: tuple[str, str], unmatched: str) -> Picture | None:
    curves = {"as they are": (line.positions, line.course)}
    if line.matched is not None:
        curves["units matched"] = (line.positions, line.matched_course)
    picture = crossing(curves, ends)
    return picture and replace(picture, words=(*picture.words, *_matching(line, unmatched)))


def _matching(line: Line, unmatched: str) -> Sequence[str]:
    if line.matched is None:
        return [f"Hidden units were not matched: {unmatched}."] if unmatched else []
    return [
        f"To match, {line.moved:,} of {line.units:,} hidden units of the second were put in another place; its "
        f"distance from the first went from {figure(line.distance)} to {figure(line.matched_distance)}."
    ]
