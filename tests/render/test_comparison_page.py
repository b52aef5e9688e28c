"""The page of a comparison as a file: what it says, what it draws, and how large it becomes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.comparison import Comparison, Configuration
from thalweg.profiles import Profiles
from thalweg.render import comparison_page, comparison_table, profiles_page
from thalweg.render.bands import Axes, Curve, bands
from thalweg.study_examination import StudyExamination

from . import samples
from .test_page import HOSTILE, Document


def document(comparison: Comparison | None = None, *others: object) -> Document:
    return Document(comparison_page(comparison or samples.compared(), *others))


def pictures(shown: Document) -> dict[str, dict]:
    titles = [a["aria-label"] for _, a in shown.tags if a.get("role") == "img"]
    return dict(zip(titles, shown.payload["pictures"], strict=True))


LOST = Comparison(tuple(m for m in samples.compared() if m.diverged))
LONE = Comparison(samples.compared().members[5:6])


@pytest.mark.parametrize("comparison", [samples.compared(), samples.compared(validated=False), LOST, LONE])
def test_the_page_is_whole_and_its_links_lead_somewhere(comparison: Comparison) -> None:
    shown = document(comparison)
    assert sum(tag == "h1" for tag, _ in shown.tags) == 1 and len(shown.ids) == len(set(shown.ids))
    links = [a["href"] for tag, a in shown.tags if tag == "a"]
    assert links and all(link.startswith("#") and link[1:] in shown.ids for link in links)
    assert sum(a.get("role") == "img" for _, a in shown.tags) == len(shown.payload["pictures"])


def test_the_answer_comes_first_then_the_kinds_what_became_of_them_and_each_configuration() -> None:
    words = document().words
    assert (
        "Which training is best? Lowest validation loss: sgd at 0.1, 0.402 (0.4 to 0.404). All others are"
        in words
    )
    assert "30 trainings 6 configurations 10 diverged" in words
    assert (
        "Trainings 5 seeds of each configuration Length up to 30 steps Target a loss of 0.422 Model sequential"
        in words
    )
    assert "sgd 0.1 0.1 alone 0.402 (0.4 to 0.404) 30 (30 to 30) 1 adam" in words
    assert "all 30 10 of 30 (33.3 %) 0 0 20 of 30 (66.7 %) sgd 15 5 of 15 (33.3 %)" in words
    assert "sgd 0.01 0.602 (0.6 to 0.604) 0.502 (0.5 to 0.504) 0.2 (0.2 to 0.2) never -" in words
    assert words.index("What became of them") < words.index("A row for each, the lowest loss first 6")


def test_the_colour_says_whether_there_is_a_best() -> None:
    assert ("div", {"class": "answer satisfactory"}) in document().tags
    assert ("div", {"class": "answer concern"}) in document(LOST).tags
    assert "Target none: all diverged" in document(LOST).words


def test_losses_are_drawn_over_steps_with_their_bands() -> None:
    drawn = pictures(document())
    assert list(drawn) == [
        "Validation loss over steps",
        "Training loss over steps",
        "Final validation loss over learning rates",
        "Seeds that reached the target of 0.422",
    ]
    sgd, adam = drawn["Training loss over steps"]["lines"]
    assert (sgd["name"], sgd["colour"], adam["colour"]) == ("sgd at 0.1", "kind-0", "kind-1")
    assert sgd["points"] == [[10, 2, 2, 2], [20, 1, 1, 1], [30, 0.302, 0.3, 0.304]]
    assert drawn["Validation loss over steps"]["lines"][0]["points"][2] == [30, 0.402, 0.4, 0.404]
    assert next(iter(pictures(document(samples.compared(validated=False))))) == "Training loss over steps"


def test_the_final_loss_over_rates_has_its_good_ones_and_those_at_which_seeds_diverged() -> None:
    shown = document()
    drawn = pictures(shown)["Final validation loss over learning rates"]
    assert (drawn["base"], drawn["strip"]) == (10, True)
    sgd = drawn["lines"][0]
    assert sgd["points"] == [[0.01, 0.602, 0.6, 0.604], [0.1, 0.402, 0.4, 0.404], [1, None, None, None]]
    assert (sgd["bars"], sgd["crosses"]) == ([[0.1, 0.1]], [[1, 1]])
    assert (
        "The loss was lowest with sgd at 0.1, adam at 0.1. Half of the seeds or more diverged with sgd at 1"
        in shown.words
    )
    assert not any("learning rates" in title for title in pictures(document(LONE)))


def test_who_never_came_keeps_the_share_below_one() -> None:
    shown = document()
    drawn = pictures(shown)["Seeds that reached the target of 0.422"]
    sgd, adam = drawn["lines"]
    assert drawn["step"] and drawn["y"] == [0, 1]
    assert sgd["points"] == [[0, 0], [30, 1]] and adam["points"] == [[0, 0], [30, 0.6]]
    assert "sgd at 0.1: 5 of 5, adam at 0.1: 3 of 5. Not all seeds of 1 kind did" in shown.words
    assert "30 60 % 14.7 % 94.7 %" in shown.words
    assert not any(title.startswith("Seeds") for title in pictures(document(LOST)))


def test_of_many_kinds_twelve_are_drawn_and_the_others_said() -> None:
    shown = document(samples.compared(tuple(f"optimizer {n}" for n in range(120))))
    drawn = pictures(shown)["Training loss over steps"]
    assert len(drawn["lines"]) == 12
    assert [(line["colour"], line["dashed"]) for line in drawn["lines"]][7:9] == [
        ("kind-7", False),
        ("kind-0", True),
    ]
    assert "Of 120 kinds of training the 12 best are drawn." in shown.words
    assert shown.words.count("And 20 more.") == 1 and "And 21 more." in shown.words  # with the row of all
    assert "And 60 more." in shown.words


def test_ten_thousand_trainings_make_a_page_under_ten_megabytes() -> None:
    rates = np.geomspace(1e-4, 10.0, 500)
    ends = [tuple(np.linspace(2.0, 0.3 + abs(np.log(rate)), 100)) for rate in rates]
    made = [
        samples.trained(Configuration(name, float(rate)), seed, losses, diverged=bool(rate > 3.0))
        for name in ("sgd", "momentum", "rmsprop", "adam")
        for rate, losses in zip(rates, ends, strict=True)
        for seed in range(5)
    ]
    source = comparison_page(Comparison(tuple(made)))
    assert len(source.encode()) < 4e6
    shown = Document(source)
    assert "10,000 trainings 2,000 configurations" in shown.words and "And 1,700 more." in shown.words
    drawn = pictures(shown)["Final validation loss over learning rates"]["lines"][0]
    assert len(drawn["points"]) <= 120
    crosses = [rate for rate, _ in drawn["crosses"]]
    assert len(crosses) == 12 and (crosses[0], crosses[-1]) == pytest.approx(
        (rates[rates > 3.0][0], 10.0), rel=1e-4
    )
    lowest = float(rates[np.argmin(np.abs(np.log(rates)))])
    assert any(point[0] == pytest.approx(lowest, rel=1e-4) for point in drawn["points"])
    assert "Of each curve at most 120 points are drawn, its lowest and highest among them." in shown.words


def test_values_far_above_the_others_are_cut_off_and_said_to_be() -> None:
    places, values = np.arange(1.0, 9.0), np.array([-1.0, -2.0, -3.0, -2.5, -2.0, 1e6, -1.0, -2.0])
    picture = bands("t", [Curve("a", places, values, values, values)], Axes("step", "loss"))
    assert picture is not None and picture.drawn["y"] == [-3.0, pytest.approx(-3.0 + 20.0 * 1.0)]
    assert picture.words[-1] == "Values above 17 lie beyond the picture."
    near = bands("t", [Curve("a", places, -places, -places, -places)], Axes("step", "loss"))
    assert near is not None and near.drawn["y"] == [-8, -1] and not near.words


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(1e-6, 1e3), *[st.floats(width=32)] * 3),
        min_size=1,
        max_size=200,
        unique_by=lambda p: p[0],
    ),
    st.sampled_from([0, 2, 10]),
)
def test_any_curve_is_drawn_or_left_out(points: list[tuple[float, ...]], base: int) -> None:
    curve = Curve("a", *np.array(sorted(points)).T)
    picture = bands("t", [curve], Axes("learning rate", "loss", base=base))
    if picture is None:
        assert not np.isfinite(np.stack([curve.values, curve.low, curve.high])).any()
        return
    drawn = picture.drawn["lines"][0]["points"]  # type: ignore[index]
    assert len(drawn) <= 120 and all(v is None or np.isfinite(v) for point in drawn for v in point)
    low, high = picture.drawn["y"]  # type: ignore[misc]
    assert low <= high
    finite = curve.values[np.isfinite(curve.values)]
    if len(finite):
        assert min(p[1] for p in drawn if p[1] is not None) == pytest.approx(finite.min(), rel=1e-4)


def test_which_backend_trained_what_and_how_long_it_took() -> None:
    assert "trained" not in document().ids
    members = [
        replace(
            m, backend="jax" if m.configuration.optimizer == "sgd" else "torch", seconds=2.0 + 3.0 * m.seed
        )
        for m in samples.compared().members[:20]
    ]
    words = document(Comparison(tuple(members))).words
    # Fifteen of SGD: three times 2, 5, 8, 11 and 14 s; five of Adam.
    assert "jax 15 of 20 (75 %) sgd 2 min 00 s 8.0 s torch 5 of 20 (25 %) adam 40.0 s 8.0 s" in words
    assert "Time 2 min 40 s" in words


def test_which_valleys_the_seeds_reached() -> None:
    _, certificate, examination = samples.study(5)
    shown = document(samples.compared(), examination, certificate)
    assert "Which valleys the seeds reached" in shown.words and certificate.head in shown.words
    assert "The loss from seed 0 to seed 1" in pictures(shown)
    assert [a for _, a in shown.tags if a.get("href") == "#valleys"] and len(shown.ids) == len(set(shown.ids))
    bare = document(samples.compared(), StudyExamination(missing={"lines": "there was no time"}))
    assert "The lines between the seeds are not drawn: there was no time." in bare.words
    assert "valleys" not in document().ids


def test_no_name_becomes_markup() -> None:
    members = tuple(
        replace(m, configuration=replace(m.configuration, optimizer=HOSTILE, schedule=HOSTILE[: m.seed]))
        for m in samples.compared()
    )
    shown = document(Comparison(members))
    assert not any(tag == "img" for tag, _ in shown.tags)
    assert sum(tag == "script" for tag, _ in shown.tags) == 3
    assert "<img" not in comparison_table(Comparison(members))


def test_the_page_of_several_problems() -> None:
    other = Comparison(samples.compared(("adam", "sgd")).members, target=0.55)
    shown = Document(
        profiles_page(
            Profiles(
                {
                    "one": samples.compared(),
                    "other": other,
                    HOSTILE: Comparison(samples.compared().members, 0.0),
                }
            )
        )
    )
    assert len(shown.ids) == len(set(shown.ids)) and not any(tag == "img" for tag, _ in shown.tags)
    assert "Most often the fastest to the target: sgd, on 2 of 3 problems" in shown.words
    drawn = pictures(shown)
    assert list(drawn) == [
        "Each kind at the best rate of each problem",
        "Each kind at one rate for all problems",
    ]
    tuned, untuned = drawn.values()
    assert (tuned["base"], tuned["x"]) == (2, [1, 2])
    names = [line["name"] for line in tuned["lines"]]
    assert [line["name"].partition(" at ")[0] for line in untuned["lines"]] == names, "a kind has one colour"
    assert tuned["lines"][0]["points"] == [
        [1, pytest.approx(2 / 3, rel=1e-4)],
        [2, pytest.approx(2 / 3, rel=1e-4)],
    ]
    assert "one 960 960 other 960 960" in shown.words and "never never" in shown.words
