"""Hidden units in another order: what is permuted, and that the order is found again."""

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thalweg.stats.matching import Block, Symmetry, match, permuted


def two_layers(inputs: int, hidden: int, more: int, outputs: int) -> Symmetry:
    """Kernel and bias of three dense layers."""
    first, second = (Block(0, hidden),), (Block(1, more),)
    return Symmetry(
        (hidden, more),
        (((1, first),), ((0, first),), ((0, first), (1, second)), ((0, second),), ((0, second),), ()),
        (True,) * 6,
    )


def drawn(rng: np.random.Generator, inputs: int, hidden: int, more: int, outputs: int) -> list[np.ndarray]:
    shapes = [(inputs, hidden), (hidden,), (hidden, more), (more,), (more, outputs), (outputs,)]
    return [rng.standard_normal(shape) for shape in shapes]


def network(tensors: list[Any], x: np.ndarray) -> np.ndarray:
    a, b, c, d, e, f = tensors
    return np.asarray(np.tanh(np.maximum(x @ a + b, 0.0) @ c + d) @ e + f)


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_a_permuted_copy_computes_the_same_and_is_recovered(seed, hidden, more):
    rng = np.random.default_rng(seed)
    symmetry, tensors = two_layers(4, hidden, more, 3), drawn(rng, 4, hidden, more, 3)
    orders = [rng.permutation(hidden), rng.permutation(more)]
    copy = permuted(tensors, symmetry, orders)
    x = rng.standard_normal((5, 4))
    np.testing.assert_allclose(network(copy, x), network(tensors, x), atol=1e-12)
    found = match(tensors, copy, symmetry, seed)
    for a, b in zip(permuted(copy, symmetry, found.orders), tensors, strict=True):
        np.testing.assert_array_equal(a, b)
    assert found.moved == sum(int(np.sum(order != np.arange(len(order)))) for order in orders)
    assert found.units == hidden + more


def test_the_best_order_of_one_group_against_all_orders():
    rng = np.random.default_rng(3)
    hidden = (Block(0, 5),)
    symmetry = Symmetry((5,), (((1, hidden),), ((0, hidden),)), (True, True))
    first, second = ([rng.standard_normal((3, 5)), rng.standard_normal((5, 2))] for _ in range(2))
    every = [
        sum(float(np.sum(a * b)) for a, b in zip(first, permuted(second, symmetry, [order]), strict=True))
        for order in map(np.array, itertools.permutations(range(5)))
    ]
    found = match(first, second, symmetry)
    matched = permuted(second, symmetry, found.orders)
    product = sum(float(np.sum(a * b)) for a, b in zip(first, matched, strict=True))
    assert product == pytest.approx(max(every))
    assert product > every[0] + 1.0  # where the first order is the identity


def test_an_axis_of_several_blocks_and_a_fixed_one():
    """Two copies of a group (two places of a picture, flattened) around features that keep their places."""
    axis = (Block(0, 3), Block(None, 2), Block(0, 3))
    symmetry = Symmetry((3,), (((0, axis),),), (True,))
    (moved,) = permuted([np.arange(8.0)[:, None] * np.ones((1, 2))], symmetry, [np.array([2, 0, 1])])
    assert moved[:, 0].tolist() == [2, 0, 1, 3, 4, 7, 5, 6]


def test_what_is_carried_along_is_not_compared():
    hidden = (Block(0, 2),)
    symmetry = Symmetry((2,), (((0, hidden),), ((0, hidden),)), (True, False))
    weights, average = np.array([1.0, 2.0]), np.array([1e6, -1e6])
    found = match([weights, average], [weights, average[::-1]], symmetry)
    assert found.moved == 0


@given(
    arrays(np.float64, (3, 4), elements=st.floats(width=64)), arrays(np.float64, (4,), elements=st.floats())
)
@settings(max_examples=60, deadline=None)
def test_total(kernel, bias):
    hidden = (Block(0, 4),)
    symmetry = Symmetry((4,), (((1, hidden),), ((0, hidden),)), (True, True))
    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        found = match([kernel, bias], [kernel[:, ::-1], bias[::-1]], symmetry)
    assert sorted(found.orders[0]) == [0, 1, 2, 3]


def test_no_groups():
    found = match([np.ones(3)], [np.ones(3)], Symmetry((), ((),), (True,)))
    assert (found.orders, found.units, found.moved) == ((), 0, 0)
