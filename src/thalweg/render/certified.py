"""The certificate's section of the page: the claims, what they rest on, and pictures of what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from thalweg.certificate import Certificate, Claim, Status
from thalweg.examination import Examination
from thalweg.record import Record
from thalweg.render.evidence import evidence_table
from thalweg.render.figures import figures
from thalweg.render.landscape import landscape
from thalweg.render.markup import Html, html, prose
from thalweg.render.picture import Picture
from thalweg.render.plain import plain, sentence
from thalweg.render.spectrum import spectrum

# A sign beside the word, for whoever looks for one kind among many.
_SIGNS = {Status.ESTABLISHED: "✓", Status.REFUTED: "✕", Status.NOT_ESTABLISHED: "?"}
_CLASSES = {Status.ESTABLISHED: "established", Status.REFUTED: "refuted", Status.NOT_ESTABLISHED: "open"}


def pictures(examination: Examination | None, unit: str) -> tuple[Picture, ...]:
    """What can be drawn of an examination."""
    if examination is None:
        return ()
    curvature, plane = examination.curvature, examination.plane
    made = (
        curvature and spectrum(curvature, examination.step_limit, examination.parameters),
        plane and landscape(plane, unit),
    )
    return tuple(picture for picture in made if picture)


@dataclass(frozen=True, slots=True)
class Certified:
    """What the page shows of a certificate: its head for the first lines, the way to the section, the section."""

    first: Html | None = None
    link: Html | None = None
    section: Html | None = None
    pictures: tuple[Picture, ...] = ()


def certified(
    record: Record, certificate: Certificate | None, drawn: tuple[Picture, ...], unread: str = ""
) -> Certified:
    """The claims with their pictures; of a certificate that is not this record's, or is `unread`, only why not."""
    link = html('<a href="#certificate">Certificate</a> ')
    if certificate is not None and not unread:
        unread = _stale(certificate, record)
    if unread:
        return Certified(None, link, _section(html('<p class="none">{reason}</p>', reason=prose(unread))))
    if certificate is None:
        return Certified()
    first = html(
        '<p class="certified">Certificate: <a href="#certificate">{head}</a></p>', head=certificate.head
    )
    return Certified(first, link, _section(_claims(certificate, drawn)), drawn)


def _stale(certificate: Certificate, record: Record) -> str:
    """Why this certificate is not one of this record, in a sentence; empty where it is."""
    digest, now = plain(certificate.subject.get("record", "")), record.digest()
    if digest == now:
        return ""
    return (
        f"The certificate in the run's folder is of another state of this run (its record's digest is "
        f"{digest[:12] or 'not known'}, now it is {now[:12]}) and is not shown: `thalweg certify` makes it anew."
    )


def _section(body: Html) -> Html:
    return html(
        '<section id="certificate" aria-labelledby="certificate-title" tabindex="-1">'
        '<h2 id="certificate-title">Certificate</h2>{body}</section>',
        body=body,
    )


def _claims(certificate: Certificate, drawn: Sequence[Picture]) -> Html:
    return html(
        '<p class="head">{head}</p><ul class="counts">{counts}</ul>{claims}',
        head=certificate.head,
        counts=counts(certificate),
        claims=_told(certificate, drawn),
    )


def certified_together(certificate: Certificate, drawn: Sequence[Picture], note: str) -> Html:
    """The section for several runs, of which the page's first lines say what the claims carry together."""
    return _section(_told(certificate, drawn, note))


def _told(certificate: Certificate, drawn: Sequence[Picture], note: str = "") -> Html:
    """Each claim, then the pictures, with a note on what is drawn, and of what all this is."""
    return html(
        '{claims}{pictures}{note}<p class="note">{subject}</p>',
        claims=[_claim(claim, number) for number, claim in enumerate(certificate, start=1)],
        pictures=figures(drawn),
        note=html('<p class="note">{note}</p>', note=prose(note)) if note else None,
        subject=_subject(certificate),
    )


def counts(certificate: Certificate) -> list[Html]:
    """How many claims there are of each status."""
    return [
        html('<li class="{kind}"><b>{count}</b> {status}</li>', kind=_CLASSES[s], count=len(found), status=s)
        for s in Status
        if (found := certificate.of(s))
    ]


def _claim(claim: Claim, number: int) -> Html:
    rests = [evidence_table(claim.evidence), _assumptions(claim.assumptions)]
    names = [name for name, part in zip(("evidence", "assumptions"), rests, strict=True) if part]
    return html(
        '<article class="claim {kind}" id="claim-{number}"><p class="status"><span aria-hidden="true">{sign}</span> '
        "{status}</p><h3>{statement}</h3><p>{message}</p>{scope}{rests}</article>",
        kind=_CLASSES[claim.status],
        number=number,
        sign=_SIGNS[claim.status],
        status=sentence(claim.status).removesuffix("."),
        statement=claim.statement,
        message=prose(sentence(claim.message)),
        scope=html(
            '<p class="scope">Looked at: {scope}</p>', scope=prose(sentence(claim.scope, capital=False))
        )
        if claim.scope
        else None,
        rests=html(
            "<details><summary>{names}</summary>{rests}</details>",
            names=sentence(" and ".join(names)).removesuffix("."),
            rests=rests,
        )
        if names
        else None,
    )


def _assumptions(assumptions: Iterable[str]) -> Html | None:
    items = [html("<li>{words}</li>", words=prose(sentence(each))) for each in assumptions]
    return html('<h4>It assumes</h4><ul class="assumptions">{items}</ul>', items=items) if items else None


def _subject(certificate: Certificate) -> Html:
    of = [
        html("{name} <code>{digest}</code>", name=name, digest=plain(digest)[:12])
        for name, digest in certificate.subject.items()
    ]
    return html(
        "Of {of} (beginnings of SHA-256 digests){version}. <code>thalweg verify</code> recomputes it.",
        of=[piece for part in of for piece in (html(", "), part)][1:],
        version=html(", made by Thalweg {version}", version=certificate.version)
        if certificate.version
        else None,
    )
