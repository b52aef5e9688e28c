"""The report: one self-contained HTML file that asks nothing of the network and trusts no string.

The sentence, the findings and the facts are in the HTML itself; only the curves need its script.
"""

from collections.abc import Iterable, Sequence

from thalweg.certificate import Certificate
from thalweg.examination import Examination
from thalweg.finding import Diagnosis, Finding, Remedy, Safety, Verdict
from thalweg.record import Record
from thalweg.render.certified import certified, pictures
from thalweg.render.charts import Chart, Charts, Line, Mark, charts, gaps_in_words
from thalweg.render.evidence import evidence_table
from thalweg.render.facts import about, recorded
from thalweg.render.frame import asset, framed, version
from thalweg.render.markup import Html, html, prose, trusted
from thalweg.render.picture import Picture
from thalweg.render.plain import plain, sentence

_WHO = {
    Safety.AUTOMATIC: "reversible, cannot change what is learned",
    Safety.SUGGESTED: "needs your word",
    Safety.MANUAL: "by hand",
}
_TITLES = {
    Verdict.CONCERN: "Concerns",
    Verdict.SATISFACTORY: "Satisfactory",
    Verdict.UNASSESSED: "Not assessed",
}


def page(
    record: Record,
    diagnosis: Diagnosis,
    certificate: Certificate | None = None,
    examination: Examination | None = None,
    *,
    further: Sequence[Picture] = (),
    unread: str = "",
) -> str:
    """The report of a run as one HTML document.

    A certificate that is of another state of the run is not shown but said to be one; `examination` is what was
    measured for it, `further` are pictures beside those of the examination. `unread` is the sentence that says why
    there is a certificate which could not be read.

    Long series are thinned for drawing (their extremes stay), so that its size has a bound
    whatever the length of the run.
    """
    drawn = charts(record, diagnosis)
    proven = certified(record, certificate, (*pictures(examination, drawn.unit), *further), unread)
    return framed(
        drawn.payload(),
        proven.pictures,
        name=record.info.get("name") or "unnamed run",
        skip="findings",
        links=html(
            '<a href="#main">Findings</a> {certificate}<a href="#curves">Curves</a> <a href="#recorded">Record</a>',
            certificate=proven.link,
        ),
        question="Is it converging?",
        verdict="concern"
        if diagnosis.concerns
        else "satisfactory"
        if diagnosis.exit_code == 0
        else "unassessed",
        answer=diagnosis.answer,
        below=html("{first}\n    {certified}", first=_first(diagnosis.first), certified=proven.first),
        counts=_counts(diagnosis),
        facts=about(record, diagnosis),
        main=html(
            asset("run.html"),
            findings=_findings(diagnosis, drawn),
            certificate=proven.section,
            curves=_curves(drawn),
            layers=_layers(drawn),
            recorded=recorded(record),
        ),
        version=version(record),
    )


def _counts(diagnosis: Diagnosis) -> list[Html]:
    return [
        html(
            '<li class="{verdict}"><a href="#{verdict}"><b>{count}</b> {title}</a></li>',
            verdict=verdict,
            count=len(diagnosis.of(verdict)),
            title=title.lower() if len(diagnosis.of(verdict)) != 1 else title.lower().removesuffix("s"),
        )
        for verdict, title in _TITLES.items()
        if diagnosis.of(verdict)
    ]


def _findings(diagnosis: Diagnosis, drawn: Charts) -> list[Html]:
    placed: dict[Verdict, list[Html]] = {verdict: [] for verdict in Verdict}
    anchors = {finding.code: f"finding-{number}" for number, finding in enumerate(diagnosis, start=1)}
    for finding in diagnosis:
        if finding.code not in diagnosis.because:
            effects = [_finding(e, anchors[e.code], drawn) for e in diagnosis.explained_by(finding)]
            placed[finding.verdict].append(_finding(finding, anchors[finding.code], drawn, effects))
    concerns = placed[Verdict.CONCERN]
    sections = [html('<div id="{verdict}">{items}</div>', verdict=Verdict.CONCERN, items=concerns)]
    if not concerns and placed[Verdict.SATISFACTORY]:
        sections = [html('<p class="none">No rule found a concern.</p>')]
    for verdict in (Verdict.SATISFACTORY, Verdict.UNASSESSED):
        if placed[verdict]:
            sections.append(
                html(
                    '<details id="{verdict}"{open}><summary>{title} <span class="count">{count}</span>'
                    "</summary>{items}</details>",
                    verdict=verdict,
                    open=html(" open") if diagnosis.exit_code == 3 else None,
                    title=_TITLES[verdict],
                    count=len(placed[verdict]),
                    items=placed[verdict],
                )
            )
    return sections


def _first(remedy: Remedy | None) -> Html | None:
    """What to change first."""
    if remedy is None:
        return None
    return html(
        '<p class="first">Change first: <strong>{action}</strong>{code}</p>',
        action=prose(sentence(remedy.action)),
        code=_code(remedy),
    )


def _code(remedy: Remedy) -> Html | None:
    return html(" <code>{code}</code>", code=remedy.code) if remedy.code else None


def _finding(finding: Finding, anchor: str, drawn: Charts, effects: Sequence[Html] = ()) -> Html:
    concern = finding.verdict is Verdict.CONCERN
    where = [plain(finding.layer)] if finding.layer else []
    where += [f"{drawn.unit} {finding.step:,}"] if finding.step is not None else []
    return html(
        '<article class="finding {verdict}" id="{anchor}" tabindex="-1"><h3><code>{code}</code> {title}'
        "{where}</h3><p>{message}</p>{evidence}{remedies}{see}{effects}</article>",
        verdict=finding.verdict,
        anchor=anchor,
        code=finding.code,
        # A title names what a concern would be about: over a satisfactory answer it would mislead.
        title=html('<span class="title">{title}</span>', title=finding.title) if concern else None,
        where=html(' <span class="where">{where}</span>', where=", ".join(where)) if where else None,
        message=prose(finding.message),
        evidence=evidence_table(finding.evidence),
        remedies=_remedies(finding),
        see=_see(finding, drawn, concern),
        effects=html(
            '<details class="because"><summary>Because of this <span class="count">{count}</span></summary>'
            "{effects}</details>",
            count=len(effects),
            effects=list(effects),
        )
        if effects
        else None,
    )


def _remedies(finding: Finding) -> Html | None:
    if not finding.remedies:
        return None
    items = [
        html(
            '<li><strong>{action}</strong>{code} {reason} <span class="safety">{who}</span></li>',
            action=prose(sentence(remedy.action)),
            code=_code(remedy),
            reason=prose(sentence(remedy.reason)),
            who=_WHO[remedy.safety],
        )
        for remedy in finding.remedies
    ]
    return html('<h4>What to do</h4><ol class="remedies">{items}</ol>', items=items)


def _see(finding: Finding, drawn: Charts, concern: bool) -> Html | None:
    """Where the curves show it, and its manual page."""
    shown = dict.fromkeys(filter(None, (drawn.shows(name) for name in finding.series)))
    links = [html('<a href="#{anchor}">{title}</a>', anchor=a, title=t) for a, t in shown]
    manual = html("Manual page: <code>thalweg explain {code}</code>", code=finding.code) if concern else None
    if not links:
        return html('<p class="see">{manual}</p>', manual=manual) if manual else None
    return html(
        '<p class="see"><span>Shown in {links}</span>{manual}</p>',
        links=_joined(links),
        manual=html("<span>{manual}</span>", manual=manual) if manual else None,
    )


def _joined(parts: list[Html]) -> list[Html]:
    return [piece for part in parts for piece in (html(", "), part)][1:]


def _curves(drawn: Charts) -> Html:
    if not drawn.charts:
        return html('<p class="none">The record holds no series to draw.</p>')
    folded = [c for c in drawn.charts if c.folded]
    return html(
        '{zoom}<div class="charts">{open}</div>{more}{note}',
        zoom=trusted(asset("zoom.html")),
        open=[_figure(c, drawn.unit) for c in drawn.charts if not c.folded],
        more=html(
            '<details class="more"><summary>Further curves <span class="count">{count}</span></summary>'
            '<div class="charts">{folded}</div></details>',
            count=len(folded),
            folded=[_figure(c, drawn.unit) for c in folded],
        )
        if folded
        else None,
        note=html('<p class="note">{note}</p>', note=drawn.note) if drawn.note else None,
    )


def _figure(chart: Chart, unit: str) -> Html:
    gaps = list(filter(None, (gaps_in_words(line, unit) for line in chart.lines)))
    keys = [
        html(
            '<li data-line="{number}"><i class="{kind}"></i>{name} <b>{last}</b></li>',
            number=number,
            kind=line.kind,
            name="last" if len(chart.lines) == 1 else line.name,
            last=line.last,
        )
        for number, line in _key(chart.lines)
    ]
    if len(chart.lines) > len(keys):
        keys.append(html("<li>and {rest} between them</li>", rest=f"{len(chart.lines) - len(keys):,}"))
    scale = "logarithmic" if chart.log else None
    return html(
        '<figure class="chart" id="{anchor}" tabindex="-1"><figcaption><h3>{title}</h3>'
        '<span class="unit">{unit}</span>{marks}<ul class="key {single}" aria-label="Last values">{keys}</ul>'
        '</figcaption><div class="plot" role="img" aria-label="{title} over {over}; last values: {said}">'
        "</div>{gaps}</figure>",
        single="single" if len(chart.lines) == 1 else None,
        anchor=chart.anchor,
        title=chart.title,
        unit=", ".join(
            filter(None, ("" if chart.unit == "fraction" or chart.unit in chart.title else chart.unit, scale))
        ),
        marks=_mark_links(chart.marks, unit),
        keys=keys,
        over=f"{unit}s",
        said=", ".join(f"{line.name} {line.last}" for _, line in _key(chart.lines)),
        gaps=html('<p class="gaps">{words}</p>', words=_lines(gaps)) if gaps else None,
    )


def _key(lines: Sequence[Line]) -> list[tuple[int, Line]]:
    """The lines that the key of a chart names, with their places: all, or some from the first to the last."""
    most = 8
    last = len(lines) - 1
    places = range(len(lines)) if last < most else [last * n // (most - 1) for n in range(most)]
    return [(place, lines[place]) for place in places]


def _mark_links(marks: Iterable[Mark], unit: str) -> list[Html]:
    """The way back from a chart to the findings that are marked on it."""
    return [
        html(
            '<a class="mark" href="#{anchor}">{code} at {unit} {step}</a>',
            anchor=mark.anchor,
            code=mark.code,
            unit=unit,
            step=f"{mark.step:,}",
        )
        for mark in marks
    ]


def _lines(sentences: Iterable[str]) -> str:
    """Sentences in a row, as many as one reads."""
    sentences = list(sentences)
    rest = len(sentences) - 6
    return " ".join(sentences[:6]) + (f" And {rest} more curves." if rest > 0 else "")


def _layers(drawn: Charts) -> Html | None:
    if not drawn.maps:
        return None
    options = [
        html('<option value="{n}">{title}</option>', n=n, title=m.title) for n, m in enumerate(drawn.maps)
    ]
    anchors = {mark: None for m in drawn.maps for mark in m.marks}
    return html(
        '<section aria-labelledby="layers-title"><h2 id="layers-title">Layer by layer</h2>'
        '<figure class="chart map" id="layers" tabindex="-1"><figcaption>'
        '<label>Quantity <select id="quantity">{options}</select></label>{marks}</figcaption>'
        '<div class="plot" role="img" aria-label="Heat map of the parameter tensors over {unit}s"></div>'
        "<p>Each row is a parameter tensor, the first layer at the top; each cell shows the largest value in "
        "its stretch of {unit}s. {broken}</p></figure></section>",
        options=options,
        marks=_mark_links(anchors, drawn.unit),
        unit=drawn.unit,
        broken="Hatched cells hold values that were not finite."
        if any(m.broken for m in drawn.maps)
        else None,
    )
