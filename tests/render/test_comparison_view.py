"""A comparison and profiles on the terminal: what is said, and how it fits."""

import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from thalweg.comparison import Comparison, Configuration
from thalweg.profiles import Profiles
from thalweg.render import ComparisonView, ProfilesView
from thalweg.render.comparison_words import Names, best_rate, fates, good_rates, interval, where_diverged
from thalweg.stats.median_interval import median_interval

from . import samples


def printed(view: object, width: int = 160) -> list[str]:
    console = Console(width=width, color_system=None, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get().splitlines()


def test_the_best_what_is_like_it_and_a_row_for_each_kind() -> None:
    lines = printed(ComparisonView(samples.compared()))
    assert lines[0] == "Lowest validation loss: sgd at 0.1, 0.402 (0.4 to 0.404)."
    assert (
        lines[1] == "All others are worse, by more than an accident of the seeds (95 % confidence together)."
    )
    assert lines[2] == "30 trainings of 6 configurations; 10 diverged"
    assert lines[4].endswith("DIVERGED AT") and lines[4].startswith("      BEST RATE  GOOD RATES")
    assert lines[5] == "sgd   0.1        0.1 alone   0.402 (0.4 to 0.404)   30 (30 to 30)     1"
    assert lines[6] == "adam  0.1        0.1 alone   0.422 (0.42 to 0.424)  30 (30 to never)  1"
    assert "93.8 % confidence; target: 0.422, 5 % above the lowest" in " ".join(lines[-2:])


def test_a_target_that_was_never_reached_is_said_to_be_that() -> None:
    given = samples.compared()
    lines = printed(ComparisonView(replace(given, target=0.1)))
    assert (
        lines[1] == "No training reached the target of 0.1: the lowest validation loss of any epoch was 0.4."
    )
    assert "never" in lines[6] and lines[2].startswith("All others are worse")
    assert not any("No training" in line for line in printed(ComparisonView(replace(given, target=0.41))))


def test_full_has_a_row_for_each_configuration() -> None:
    lines = printed(ComparisonView(samples.compared(), full=True))
    rows = [line for line in lines[8:] if line.startswith(("sgd", "adam"))]
    assert len(rows) == 6
    assert rows[0].split("  ")[0:1] == ["sgd"] and "the best" in rows[0]
    assert rows[1].endswith("-") and "0.02 (0.02 to 0.02)" in rows[1]
    assert rows[-1].endswith("5 diverged") and rows[-1].count("diverged  ") == 2


def test_without_validation_there_is_no_column_for_it() -> None:
    lines = printed(ComparisonView(samples.compared(validated=False), full=True))
    assert lines[0].startswith("Lowest training loss: sgd at 0.1, 0.302")
    assert not any("VALIDATION" in line for line in lines)


@pytest.mark.parametrize(("width", "heads"), [(90, 1), (79, 2), (60, 2), (35, 3)])
def test_columns_that_do_not_fit_stand_below_the_others(width: int, heads: int) -> None:
    lines = printed(ComparisonView(samples.compared()), width)
    assert all(len(line) <= width for line in lines)
    named = [line for line in lines if line.startswith("      ")]
    assert len(named) == heads
    columns = [column for line in named for column in re.split(r"\s{2,}", line.strip())]
    assert columns == ["BEST RATE", "GOOD RATES", "VALIDATION LOSS", "STEPS TO TARGET", "DIVERGED AT"]
    assert sum(line.startswith("adam  ") for line in lines) == heads


def test_where_no_column_fits_each_row_becomes_lines() -> None:
    lines = printed(ComparisonView(samples.compared()), 25)
    assert all(len(line) <= 25 for line in lines)
    assert "  best rate: 0.1" in lines and "  diverged at: 1" in lines
    assert not any("BEST RATE" in line for line in lines)


def test_a_table_takes_the_room_that_a_wide_terminal_has() -> None:
    long = samples.compared(("sgd with a name that is rather too long",))
    assert sum(line.startswith("sgd with") for line in printed(ComparisonView(long), 100)) == 2
    (row,) = [line for line in printed(ComparisonView(long), 130) if line.startswith("sgd with")]
    assert len(row) > 100


def test_one_seed_and_one_configuration() -> None:
    members = samples.compared().members
    lone = Comparison(tuple(m for m in members if m.seed == 0))
    lines = printed(ComparisonView(lone))
    assert lines[1] == "One seed cannot tell it from any other: give more, with --seeds."
    assert "(" not in lines[5] and lines[-2].startswith("Of one seed; target: ")
    single = printed(ComparisonView(Comparison((members[5],)), full=True))
    assert single[1] == "1 training of 1 configuration; 0 diverged"
    assert not any("ABOVE THE BEST" in line for line in single)
    assert next(line.split() for line in single if line.startswith("sgd"))[:3] == ["sgd", "0.1", "-"]


def test_where_all_diverged_nothing_is_best() -> None:
    dead = Comparison(tuple(m for m in samples.compared() if m.diverged))
    lines = printed(ComparisonView(dead, full=True))
    assert lines[0] == "Half of the seeds or more diverged in every configuration: none is the best."
    assert lines[1] == "10 trainings of 2 configurations; 10 diverged"
    assert lines[4].split() == ["adam", "none", "none", "diverged", "never", "all", "rates"]
    assert "target: none, for all diverged" in " ".join(lines[-2:])


def test_of_many_kinds_the_first_are_shown_and_the_others_counted() -> None:
    many = samples.compared(tuple(f"optimizer {n}" for n in range(50)))
    lines = printed(ComparisonView(many))
    assert sum(line.startswith("optimizer") for line in lines) == 40
    assert any(line.startswith("And 10 kinds more, none of them better") for line in lines)
    full = printed(ComparisonView(many, full=True))
    assert sum(line.startswith("optimizer") for line in full) == 50 + 150


def test_the_time_to_the_target_is_said_where_it_is_known() -> None:
    """The target is reached at the last of 30 steps, or never, and a training took 0.4 s and more."""
    made = [replace(m, seconds=0.4 + 0.1 * m.seed) for m in samples.compared()]
    lines = printed(ComparisonView(Comparison(tuple(made)), full=True))
    assert "TIME TO TARGET" in lines[4] and "600 ms (400 ms to 800 ms)" in lines[5]
    assert "600 ms (400 ms to never)" in lines[6]
    unknown = Comparison((*made[:-1], samples.compared().members[-1]))
    assert not any("TIME" in line for line in printed(ComparisonView(unknown, full=True)))


def test_a_study_that_was_broken_off_has_not_the_same_seeds_everywhere() -> None:
    lines = printed(ComparisonView(Comparison(samples.compared().members[:13])))
    text = " ".join(lines[-2:])
    assert "Medians of 3 to 5 seeds" in text and "with at least 75 % confidence" in text


def test_names_say_what_differs() -> None:
    one, other = Configuration("sgd", 0.1), Configuration("sgd", 0.1, "cosine", batch_size=64)
    both = Comparison((samples.trained(one, 0, 0.3), samples.trained(other, 0, 0.4)))
    names = Names.of(both)
    assert names.whole(one) == "sgd (constant, batch 32) at 0.1"
    assert names.kind(other) == "sgd (cosine, batch 64)"
    hostile = replace(one, optimizer="a\x1b[31m\nb")
    assert Names.of(Comparison((samples.trained(hostile, 0, 0.3),))).kind(hostile) == "a b"


def test_words_for_rates() -> None:
    def at(*levels: float) -> object:
        rates = [10.0**-k for k in range(len(levels))][::-1]
        made = [
            samples.trained(Configuration("sgd", rate), seed, level, diverged=np.isnan(level))
            for rate, level in zip(rates, levels, strict=True)
            for seed in range(3)
        ]
        return Comparison(tuple(made)).sensitivities()[0]

    dead = np.nan
    assert best_rate(at(0.3, 0.4, 0.5)) == "0.01, the lowest tried"
    assert best_rate(at(0.5, 0.4, 0.3)) == "1, the highest tried"
    assert (best_rate(at(0.5, 0.3, 0.5)), best_rate(at(0.5)), best_rate(at(dead, dead))) == (
        "0.1",
        "1",
        "none",
    )
    assert good_rates(at(0.3, 0.301, 0.5)) == "0.01 to 0.1 (1.0 decades)"
    assert (good_rates(at(0.3, 0.5)), good_rates(at(0.3)), good_rates(at(dead, dead))) == (
        "0.1 alone",
        "-",
        "none",
    )
    assert where_diverged(at(0.3, dead, dead)) == "0.1 and above"
    assert where_diverged(at(dead, 0.3, dead)) == "0.01, 1"
    assert where_diverged(at(*[dead, 0.3] * 6)).endswith("and 2 more")
    half = [
        samples.trained(Configuration("sgd", rate), seed, 0.3, diverged=rate == 1.0 and seed < 2)
        for rate in (0.1, 1.0)
        for seed in range(4)
    ]
    assert where_diverged(Comparison(tuple(half)).sensitivities()[0]) == "1"
    assert (where_diverged(at(0.3, 0.4)), where_diverged(at(dead, dead))) == ("-", "all rates")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.3], "0.3"),
        ([0.1, 0.2, 0.3], "0.2 (0.1 to 0.3)"),
        ([0.1, 0.2, np.inf], "0.2 (0.1 to diverged)"),
        ([0.1, np.inf, np.inf], "diverged in half"),
        ([np.inf, np.inf], "diverged"),
        ([], "-"),
    ],
)
def test_words_for_losses(values: list[float], words: str) -> None:
    assert interval(median_interval(values)) == words


def test_a_training_may_be_counted_twice() -> None:
    lost = samples.trained(Configuration("sgd", 1.0), 0, 2.0, diverged=True, stuck=True)
    shaky = samples.trained(Configuration("sgd", 1.0), 1, 2.0, oscillated=True)
    assert fates(Comparison((lost, shaky)).summaries()) == "1 diverged, 1 oscillated, 1 never fell"


def test_profiles() -> None:
    other = samples.compared(("adam", "sgd"))
    lines = printed(ProfilesView(Profiles({"one": samples.compared(), "other": other})))
    assert lines[0] == (
        "Most often the fastest to the target: sgd, on 2 of 2 problems (15.8 % to 100 %), as was adam."
    )
    assert lines[2] == "Each kind at the best rate of each problem:"
    assert lines[3].split()[0] == "FASTEST"
    assert lines[7] == "Each kind at one rate for all problems:"
    assert {line.split("  ")[0] for line in lines[9:11]} == {"adam at 0.1", "sgd at 0.1"}
    assert lines[4].count("2 of 2 (15.8 % to 100 %)") == 4
    dead = Comparison(tuple(m for m in other if m.diverged))
    assert printed(ProfilesView(Profiles({"dead": dead})))[0] == (
        "No kind of training reached the target of any problem in half of its seeds."
    )
    apart = Profiles({"a": samples.compared(("sgd",)), "b": Comparison(other.members[15:20])})
    assert "No learning rate was tried on all problems." not in printed(ProfilesView(apart))
