"""The certificate in the terminal: every claim at any width, in a pipe, whatever strings come in."""

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len

from thalweg.certificate import Certificate, Claim, Outcome, Status
from thalweg.finding import Evidence
from thalweg.record import Record
from thalweg.render import CertificateView, terminal
from thalweg.render.plain import run_in_words

from . import samples
from .test_terminal import HOSTILE, shown


def view(**options) -> CertificateView:
    record, _ = samples.healthy()
    return CertificateView(samples.certified(record)[0], run_in_words(record), **options)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("width", [30, 40, 80, 120])
def test_no_line_is_wider_than_the_terminal_or_ends_in_blanks(width, full):
    for line in shown(view(runs=("runs/digits",), stored="runs/digits", full=full), width).splitlines():
        assert cell_len(line) <= width
        assert line == line.rstrip()


def test_the_head_comes_first_then_what_was_refuted_then_what_stands():
    lines = shown(view(runs=("my runs/digits",), stored="my runs/digits")).splitlines()
    certificate = view().certificate
    assert lines[0] == certificate.head
    assert lines[1] == "digits, 2,000 steps in 20 epochs, completed"
    titles = [line for line in lines if line.endswith(" (1)")]
    assert titles == ["Refuted (1)", "Established (1)", "Not established (1)"]
    for claim in certificate:
        place = lines.index(f"  {claim.name}  {claim.statement}")
        assert lines[place + 1] == f"    {claim.message}"
        assert (f"    Looked at: {claim.scope}." in lines) == bool(claim.scope)
    assert not any("Assumes" in line for line in lines)
    assert lines[-3:] == [
        "What each claim assumes: thalweg certify --all 'my runs/digits'",
        "Recompute it: thalweg verify 'my runs/digits'",
        "The pictures: thalweg report 'my runs/digits'",
    ]


def test_what_a_claim_assumes_is_said_where_all_is_asked_for():
    lines = shown(view(runs=("digits",), stored="digits", full=True)).splitlines()
    for claim in view().certificate:
        for assumption in claim.assumptions:
            assert f"    Assumes: {assumption}" in lines
    assert not any("--all" in line for line in lines)


def test_only_what_can_be_done_is_hinted_at():
    assert not any("thalweg" in line for line in shown(view()).splitlines())
    said = shown(view(runs=("history.csv",)))
    assert "thalweg certify --all history.csv" in said
    assert "verify" not in said and "report" not in said
    bare = view(runs=("digits",))
    claims = tuple(replace(claim, assumptions=()) for claim in bare.certificate)
    assert "--all" not in shown(replace(bare, certificate=replace(bare.certificate, claims=claims)))
    elsewhere = shown(view(runs=("digits",), stored="c.json"))
    assert "thalweg verify c.json" in elsewhere and "report" not in elsewhere


def test_of_several_runs_the_file_is_what_has_the_pictures():
    lines = shown(view(runs=("a", "b c"), stored="my seeds.json")).splitlines()
    assert lines[-2:] == [
        "Recompute it: thalweg verify 'my seeds.json'",
        "The pictures: thalweg report 'my seeds.json'",
    ]
    lines = shown(view(runs=("a", "b c"))).splitlines()
    assert lines[-1] == "To keep it, with its pictures: thalweg certify -o FILE a 'b c'"
    assert "verify" not in " ".join(lines)


def test_in_a_pipe_every_sentence_stays_on_one_line():
    long = "Over the last steps " + "the loss rose and fell, " * 30 + "and settled."
    claim = Claim("no-trend", "The loss has no trend.", Status.ESTABLISHED, long, scope=long)
    made = CertificateView(Certificate(Outcome.UNKNOWN, long, (claim,)), run_in_words(Record.of([])))
    assert shown(made).splitlines().count(f"    {long}") == 1
    assert f"    {long}" not in shown(made, 80).splitlines()
    assert "\x1b" not in shown(made)


def test_where_a_name_leaves_no_room_the_statement_stands_below_it():
    lines = shown(view(), 40).splitlines()
    place = lines.index("  no-negative-curvature")
    assert lines[place + 1] == "  No direction of negative curvature was"
    assert "  no-trend  The loss has no trend over" in lines


@pytest.mark.parametrize("status", Status)
def test_no_markup_and_no_control_character_passes(status):
    evidence = {HOSTILE: Evidence(HOSTILE, HOSTILE)}
    claim = Claim(HOSTILE, HOSTILE, status, HOSTILE, evidence, (HOSTILE,), HOSTILE)
    certificate = Certificate(Outcome.UNKNOWN, HOSTILE, (claim,), {HOSTILE: HOSTILE}, HOSTILE)
    made = CertificateView(
        certificate, run_in_words(Record.of([], {"name": HOSTILE})), (HOSTILE,), HOSTILE, full=True
    )
    for width in (80, None):
        text = shown(made, width)
        assert not any(c in text for c in "\x1b\x07\u202e")
        assert "[31m" not in text
        # The head, the run, the claim's name, statement, message, scope and assumption, and the two hints.
        assert " ".join(text.split()).count("[red]x[/red] red back :smile: {0}") == 9


def test_a_certificate_without_claims_is_shown():
    made = CertificateView(
        Certificate(Outcome.UNKNOWN, "Cannot tell: no claim was asked.", ()), "nothing", ("x",)
    )
    assert shown(made).startswith("Cannot tell: no claim was asked.\n")


@pytest.mark.parametrize(
    ("encoding", "head"),
    [
        ("ascii", "Gr??e +- 1: held ?."),
        ("cp1251", "Gr??e ± 1: held ?."),
        ("utf-8", "Größe ± 1: held \N{SNOWMAN}."),
    ],
)
def test_a_terminal_that_cannot_write_a_character_still_shows_the_rest(encoding, head):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    made = view()
    certificate = replace(made.certificate, head="Größe ± 1: held \N{SNOWMAN}.")
    terminal(file).print(replace(made, certificate=certificate))
    file.flush()
    assert file.buffer.getvalue().decode(encoding).startswith(f"{head}\n")
