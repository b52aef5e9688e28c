"""What `compare` returns, as it is used from Python: printed, as rows, and as a page."""

import math

import pytest

from thalweg import ComparisonStudy
from thalweg.comparison import Comparison, Configuration, Member
from thalweg.record import Record, Series


def member(optimizer: str, seed: int, final: float, diverged: bool = False) -> Member:
    curves = {"epoch_loss": Series("epoch_loss", "loss", [10, 20], [2.0, final])}
    return Member(
        Configuration(optimizer, 0.1),
        seed,
        curves,
        diverged,
        False,
        False,
        lambda: Record.of(curves.values()),
    )


@pytest.fixture
def study() -> ComparisonStudy:
    levels = {"sgd": (0.5, 0.4, 0.6), "adam": (0.3, 0.31, 0.29)}
    dead = [member("rmsprop", seed, 3.0, diverged=True) for seed in range(3)]
    alive = [
        member(name, seed, final) for name, finals in levels.items() for seed, final in enumerate(finals)
    ]
    return ComparisonStudy((*alive, *dead), target=0.3)


def test_a_row_for_each_configuration(study: ComparisonStudy) -> None:
    table = study.table()
    assert [row["optimizer"] for row in table] == ["adam", "sgd", "rmsprop"]
    first, second, last = table
    assert len(table) == 3 and table[0] == first and table[1:] == (second, last)
    assert (first["training_loss"], first["training_loss_low"], first["training_loss_high"]) == (
        0.3,
        0.29,
        0.31,
    )
    assert (first["reached"], first["steps_to_target"], first["steps_to_target_high"]) == (2, 20.0, math.inf)
    assert (first["above_best"], second["above_best"]) == (0.0, pytest.approx(0.2))
    assert (last["diverged"], last["training_loss"]) == (3, math.inf) and math.isnan(last["above_best"])
    assert math.isnan(first["validation_loss"])
    assert all(row.keys() == first.keys() for row in table)


def test_printed_it_is_what_the_command_line_prints(study: ComparisonStudy) -> None:
    text = str(study.table())
    assert text == repr(study.table())
    assert text.startswith("Lowest training loss: adam at 0.1, 0.3 (0.29 to 0.31).\n")
    assert "\x1b" not in text and "rmsprop" in text and "STEPS TO TARGET" in text
    assert "ABOVE THE BEST" in text
    many = ComparisonStudy(tuple(member(f"optimizer {n}", 0, 1.0) for n in range(51)))
    assert "ABOVE THE BEST" not in str(many.table())
    html = study.table()._repr_html_()
    assert html.startswith("<div") and "0.3 (0.29 to 0.31)" in html and html.count("<tr>") == 4


def test_the_page_is_written_where_it_is_asked_for(study: ComparisonStudy, tmp_path) -> None:
    written = study.report(tmp_path / "here.html")
    assert written == tmp_path / "here.html"
    assert "<h1>Lowest training loss: adam at 0.1, 0.3 (0.29 to 0.31).</h1>" in written.read_text(
        encoding="utf-8"
    )
    with pytest.raises(OSError):
        study.report(tmp_path / "no" / "folder.html")


def test_it_is_a_comparison(study: ComparisonStudy) -> None:
    assert isinstance(study, Comparison) and len(study) == 9 and study.aim() == 0.3
