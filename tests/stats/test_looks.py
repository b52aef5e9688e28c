"""Looks at averages against sums over every stored point, and the noise ball against its definition word for word."""

import itertools
import warnings

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from thalweg.stats import mean
from thalweg.stats.looks import KEPT, Look, Looks
from thalweg.stats.noise_ball import reached


def followed(path: np.ndarray, first: int, every: int = 1) -> tuple[list[Look], list[int]]:
    def value(point: list[np.ndarray]) -> float:
        return float(np.sum(point[0] ** 2) + point[1].sum())

    looks, found, taken = Looks(first, value, every), [], []
    for time, x in enumerate(path):
        if time == looks.next:
            taken.append(time)
            if (look := looks.add(time, [x[:2].copy(), x[2:].copy()])) is not None:
                found.append(look)
    return found, taken


@pytest.mark.parametrize("every", [1, 2])
def test_looks_equal_sums_over_every_point(every):
    path = np.cumsum(np.random.default_rng(0).standard_normal((1200, 3)), axis=0)
    found, taken = followed(path, 256, every)
    bounds = [round(64 * 2 ** (j / 4)) for j in range(17)]
    assert [look.span for look in found] == bounds[8:]
    assert bounds[8] == 256 and bounds[4] == 128 and bounds[12] == 512
    assert all(sum(a < t <= b for t in taken) == 8 for a, b in itertools.pairwise(bounds))

    def value(x: np.ndarray) -> float:
        return float(np.sum(x[:2] ** 2) + x[2])

    for number, look in enumerate(found, start=8):
        blocks = [[t for t in taken if bounds[j] < t <= bounds[j + 1]] for j in range(number - 8, number)]
        lengths = np.diff(bounds[number - 8 : number + 1])
        centres = np.array([path[b].mean(axis=0) for b in blocks])
        early = np.average(centres[:4], axis=0, weights=lengths[:4])
        late = np.average(centres[4:], axis=0, weights=lengths[4:])
        assert look.early == pytest.approx(value(early)) and look.late == pytest.approx(value(late))
        assert look.distance == pytest.approx(float(np.linalg.norm(early - late)))
        values = [[value(path[t]) for t in b[every - 1 :: every]] for b in blocks[4:]]
        assert look.iterates == pytest.approx(np.average(np.mean(values, axis=1), weights=lengths[4:]))
        assert look.error == pytest.approx(mean(np.ravel(values)).error)
        assert look.progress == look.early - look.late and look.cost == look.iterates - look.late
        # As close as eight snapshots bring it to the mean over every step.
        half = path[bounds[number - 4] + 1 : look.span + 1]
        assert np.linalg.norm(late - half.mean(axis=0)) < 0.2 * half.std()


def test_snapshots_may_come_late():
    looks, found = Looks(128, lambda point: float(point[0][0])), []
    for time in range(0, 3000, 40):
        if time >= looks.next and (look := looks.add(time, [np.array([float(time)])])) is not None:
            found.append(look)
    assert len(found) > 10 and np.all(np.diff([look.span for look in found]) > 0)
    last = found[-1]
    assert last.late == pytest.approx(0.75 * last.span, abs=60.0)
    assert last.early == pytest.approx(0.375 * last.span, abs=60.0)


def test_nothing_is_kept_of_who_lent_it():
    looks, buffer = Looks(128, lambda point: float(point[0][0])), np.zeros(1)
    for time in range(2000):
        buffer[:] = 7.0
        if time == looks.next:
            look = looks.add(time, [buffer])
        buffer[:] = np.nan
    assert look is None or (look.late, look.early, look.distance) == (7.0, 7.0, 0.0)
    held = len(looks._means) + (1 if looks._sum else 0)
    assert held <= KEPT == 9


def look(progress: float, cost: float, error: float, span: int) -> tuple[float, ...]:
    return span, 1.0 + progress, 1.0, 1.0 + cost, error


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([look(0.5, 1.0, 0.1, i) for i in range(1, 6)], [0, 0, 1, 1, 1]),
        ([look(1.1, 1.0, 0.1, i) for i in range(1, 6)], [0, 0, 0, 0, 0]),
        ([look(0.5, 1.0, 0.34, i) for i in range(1, 6)], [0, 0, 0, 0, 0]),
        ([look(-2.0, -1.0, 0.0, i) for i in range(1, 6)], [0, 0, 0, 0, 0]),
        ([look(-2.0, 0.0, 0.0, i) for i in range(1, 6)], [0, 0, 0, 0, 0]),
        ([look(0.5, 1.0, 0.1, i) for i in (1, 2, 1, 2, 3)], [0, 0, 0, 0, 1]),
        ([look(0.5, 1.0, 0.1, i) if i != 3 else look(1.5, 1.0, 0.1, i) for i in range(1, 7)], [0, 0, 0, 0, 0, 1]),
        ([look(1e-8, 8e-7, 0.0, i) for i in range(1, 6)], [0, 0, 0, 0, 0]),
        ([look(0.5, 1.0, np.nan, i) for i in range(1, 6)], [0, 0, 0, 0, 0]),
        ([], []),
    ],
)  # fmt: skip
def test_the_noise_ball_is_reached_at_three_looks_running(rows, expected):
    columns = np.array(rows, dtype=float).reshape(-1, 5).T
    assert reached(*columns).tolist() == [bool(x) for x in expected]


number = st.one_of(st.floats(), st.sampled_from([0.0, 1e300, -1e300, np.nan, np.inf]))


@hypothesis.given(st.lists(st.lists(number, max_size=8), min_size=5, max_size=5))
@hypothesis.settings(deadline=None, derandomize=True, database=None)
def test_reached_answers_everything(columns):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = reached(*columns)
    assert found.dtype == bool and len(found) == min(map(len, columns)) and not found[:2].any()


@hypothesis.given(st.lists(number, min_size=150, max_size=300), st.integers(-3, 200))
@hypothesis.settings(deadline=None, derandomize=True, database=None, max_examples=40)
def test_looks_answer_everything(values, first):
    looks = Looks(first, lambda point: float(point[0][0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for time, x in enumerate(values):
            if time >= looks.next:
                found = looks.add(time, [np.array([x])])
                assert found is None or isinstance(found.error, float)
