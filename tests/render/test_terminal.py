"""The terminal: sentences at any width, in a pipe, without colour, whatever strings come in."""

import io
from dataclasses import dataclass, replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from thalweg.finding import Diagnosis, Evidence, Family, Finding, Remedy, Stage, Verdict
from thalweg.record import Record
from thalweg.render import ConcernsView, DiagnosisView, RunsTable, finding_line, page, terminal

from .samples import empty, foreign, healthy, spike

HOSTILE = "[red]x[/red] \x1b[31mred\x1b[0m \x07\u202eback :smile: {0}"


@dataclass(frozen=True)
class Row:
    name: str | None = "runs/digits"
    steps: str | None = "4,000"
    epochs: str | None = "20"
    last_loss: str | None = None
    finished: str | None = "completed"
    answer: str | None = "Yes: the loss fell from 2.36 to 0.153 in 2,000 steps, and has not yet settled."


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(renderable: object, width: int | None = None) -> str:
    """As printed: to a terminal of this width, or into a pipe."""
    file = Terminal() if width else io.StringIO()
    if width:
        console = Console(file=file, width=width, force_terminal=True, color_system=None, highlight=False)
    else:
        console = terminal(file)
    console.print(renderable)
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("sample", [healthy, spike, foreign, empty])
def test_no_line_is_wider_than_the_terminal_or_ends_in_blanks(sample, width):
    record, diagnosis = sample()
    views = (
        DiagnosisView(diagnosis, record, "runs/digits"),
        RunsTable([Row()]),
        ConcernsView(diagnosis, "runs/a"),
    )
    text = "".join(shown(view, width) for view in views)
    for line in text.splitlines():
        assert cell_len(line) <= width
        assert line == line.rstrip()


def test_the_first_lines_say_what_to_change_and_answer_and_the_concern_says_all():
    record, diagnosis = spike()
    lines = shown(DiagnosisView(diagnosis, record, "my runs/digits")).splitlines()
    (finding,) = diagnosis.concerns
    assert lines[0] == f"Change first: {finding.remedies[0].action}"
    assert lines[1] == diagnosis.answer
    assert lines[2] == "digits, 2,000 steps in 20 epochs, completed"
    assert "concern[G002] A single-step gradient spike (dense_1/kernel, step 777)" in lines
    assert f"  {finding.message}" in lines
    for number, remedy in enumerate(finding.remedies, start=1):
        assert f"  {number}. {remedy.action} {remedy.reason}" in lines
    assert "  N001  All 2,000 gradients were finite." in lines
    assert "  P002  The record holds no `probe_explained_variance`." in lines
    assert "More about a finding: thalweg explain G002" in lines
    assert "The curves: thalweg report 'my runs/digits'" in lines


def test_evidence_is_told_where_the_message_left_something_out():
    record, diagnosis = spike()
    text = shown(DiagnosisView(diagnosis, record))
    assert "  gradient norm: 1.45e+03 loss/parameter (usual 7.57, threshold 75.7)" in text.splitlines()
    said = Finding("X001", "T", Verdict.CONCERN, "It was 3, usually 2.", {"it": Evidence(3, "1", 2)})
    assert "it: 3" not in shown(DiagnosisView(Diagnosis("No.", (said,)), record))


def test_in_a_pipe_every_sentence_stays_on_one_line():
    long = "At step 3 " + "the loss rose again and again, " * 20 + "and never fell."
    finding = Finding("L001", "Long", Verdict.CONCERN, long)
    view = DiagnosisView(Diagnosis("No.", (finding,)), Record.of([]))
    assert f"  {long}" in shown(view).splitlines()
    assert f"  {long}" not in shown(view, 80).splitlines()
    assert "\x1b" not in shown(view)


def test_wrapped_remedies_hang_under_their_first_word():
    record, diagnosis = spike()
    lines = shown(DiagnosisView(diagnosis, record), 60).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("  1. "))
    assert lines[start + 1].startswith("     ") and lines[start + 1][5] != " "


def test_remedies_read_as_sentences_however_they_were_written():
    remedy = Remedy("clip the gradient", "one step then moves `w` little")
    finding = Finding("X001", "T", Verdict.CONCERN, "It was 3.", remedies=(remedy,))
    view = DiagnosisView(Diagnosis("No.", (finding,)), Record.of([]))
    assert "  1. Clip the gradient. One step then moves `w` little." in shown(view).splitlines()


def test_no_markup_and_no_control_character_passes():
    finding = Finding(
        HOSTILE, HOSTILE, Verdict.CONCERN, HOSTILE, {HOSTILE: Evidence(HOSTILE, HOSTILE)}, layer=HOSTILE
    )
    record = Record.of([], {"name": HOSTILE})
    view = DiagnosisView(Diagnosis(HOSTILE, (finding,)), record, HOSTILE)
    brief = ConcernsView(view.diagnosis, HOSTILE)
    for renderable in (view, brief, finding_line(finding), RunsTable([Row(name=HOSTILE, answer=HOSTILE)])):
        for width in (80, None):
            text = shown(renderable, width)
            assert not any(c in text for c in "\x1b\x07\u202e")
            assert "[31m" not in text
            assert "[red]x[/red] red back :smile: {0}" in " ".join(text.split())


def test_a_terminal_that_cannot_write_a_character_still_shows_the_rest():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    record, diagnosis = spike(name="Größe")
    terminal(file).print(DiagnosisView(diagnosis, record))
    file.flush()
    assert b"Gr??e, 2,000 steps" in file.buffer.getvalue()


def test_the_live_line_names_the_step_once():
    _, diagnosis = spike()
    (finding,) = diagnosis.concerns
    assert finding_line(finding).plain == f"thalweg: concern[G002] {finding.message}"
    silent = Finding("G009", "T", Verdict.CONCERN, "The loss was NaN.", step=1201)
    assert finding_line(silent).plain == "thalweg: concern[G009] at step 1,201: The loss was NaN."


def test_the_table_aligns_its_columns_and_never_cuts_a_name():
    name = "runs/" + "a-very-long-name-" * 6
    rows = [Row(name=name), Row(steps="12", answer=None)]
    head, first, second = shown(RunsTable(rows)).splitlines()
    assert first.startswith(name) and second.split() == ["runs/digits", "12", "20", "-", "completed", "-"]
    assert head.index("STEPS") + len("STEPS") == first.index("4,000") + 5 == second.index("12 ") + 2
    assert head.index("ANSWER") == first.index("Yes")
    narrow = shown(RunsTable(rows), 80)
    assert name in narrow.replace("\n", "") and "Yes: the loss fell" in narrow


def test_of_many_answers_the_outcome_is_said_and_the_others_are_named():
    record, _ = spike()
    rest = [
        Finding(f"X{n:03}", "", Verdict.SATISFACTORY, f"Message {n}.", family=Family.DATA) for n in range(9)
    ]
    outcome = Finding("L001", "", Verdict.SATISFACTORY, "The loss fell.")
    view = DiagnosisView(Diagnosis("Converging.", (*rest, outcome)), record, "digits")
    lines = shown(view).splitlines()
    assert "Satisfactory (10)" in lines
    assert "  L001  The loss fell." in lines
    assert "  and 9 more: X000, X001, X002, X003, X004, X005, X006, X007, X008" in lines
    assert "Every answer in words: thalweg diagnose --all digits" in lines
    full = shown(replace(view, full=True)).splitlines()
    assert "  X008  Message 8." in full and not any("--all" in line for line in full)


def test_the_life_of_the_run_stands_under_its_name():
    record, diagnosis = spike()
    lived = replace(diagnosis, stages=(Stage("falling", 1, 1480), Stage("plateau", 1481, 2000)))
    lines = shown(DiagnosisView(lived, record)).splitlines()
    assert lines[3] == "falling to step 1,480, plateau to step 2,000"
    assert "falling to step 1,480" in page(record, lived)


def test_of_several_runs_each_that_has_concerns_says_what_to_change_first():
    _, diagnosis = spike()
    (finding,) = diagnosis.concerns
    name, change, concern, more = shown(ConcernsView(diagnosis, "my runs/a")).splitlines()
    assert name == "my runs/a" and change == f"  Change first: {finding.remedies[0].action}"
    assert concern.startswith("  concern[G002] ") and more == "  More: thalweg diagnose 'my runs/a'"
