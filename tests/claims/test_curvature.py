"""No direction of negative curvature was found: on spectra made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg import Record
from thalweg.certificate import Status
from thalweg.claims.curvature import NegativeCurvature
from thalweg.examination import Curvature, Examination, Ritz
from thalweg.stats.lanczos import extremes

EMPTY = Record.of([])


def asked(smallest, largest=1.0, residual=1e-6, tolerance=1e-4, missed=0.01, **options):
    found = Curvature(Ritz(smallest, residual), Ritz(largest, residual), 60, missed, tolerance, **options)
    return NegativeCurvature().ask(
        EMPTY, Examination(parameters=500, examples=100, total=100, curvature=found)
    )


@pytest.mark.parametrize(
    ("smallest", "options", "status"),
    [
        (0.02, {}, Status.ESTABLISHED),
        (-0.005, {}, Status.ESTABLISHED),  # without consequence
        (-0.02, {}, Status.REFUTED),
        (-0.02, {"residual": 0.005}, Status.REFUTED),
        (-0.02, {"residual": 0.015}, Status.NOT_ESTABLISHED),  # the eigenvalue may be at -0.005
        (-0.005, {"residual": 0.006}, Status.NOT_ESTABLISHED),
        (-0.005, {"tolerance": 0.006}, Status.NOT_ESTABLISHED),
        (0.0, {"tolerance": 0.02}, Status.NOT_ESTABLISHED),
        (0.02, {"missed": 0.2}, Status.NOT_ESTABLISHED),
        (0.02, {"missed": np.nan}, Status.NOT_ESTABLISHED),
        (0.02, {"tolerance": np.nan}, Status.NOT_ESTABLISHED),
        (-0.02, {"missed": np.nan, "tolerance": np.nan}, Status.REFUTED),  # what was seen was seen
        (-0.02, {"gauss_newton": True}, Status.NOT_ESTABLISHED),
        (0.02, {"gauss_newton": True}, Status.NOT_ESTABLISHED),
        (np.nan, {}, Status.NOT_ESTABLISHED),
        (-0.02, {"largest": 3.0}, Status.ESTABLISHED),  # little beside the steepest
        (-3.0, {"largest": 0.0}, Status.REFUTED),
        (-1.0, {"largest": 0.5, "residual": 0.991}, Status.NOT_ESTABLISHED),  # the steepest way is down
        (-1e-12, {"largest": -1e-13, "residual": 1e-13, "tolerance": 1e-13}, Status.REFUTED),
        (0.0, {"largest": 0.0, "residual": 0.0, "tolerance": 0.0}, Status.ESTABLISHED),
    ],
)
def test_status(smallest, options, status):
    claim = asked(smallest, **options)
    assert claim.status is status, claim.message
    assert "100 training examples" in claim.scope


def test_of_constrained_weights_it_may_be_a_direction_that_is_closed():
    def asked_of(smallest):
        found = Curvature(Ritz(smallest, 1e-6), Ritz(1.0, 1e-6), 60, 0.01, 1e-4)
        given = Examination(parameters=500, constrained=20, examples=100, total=100, curvature=found)
        return NegativeCurvature().ask(EMPTY, given)

    assert asked_of(0.02).status is Status.ESTABLISHED
    claim = asked_of(-0.02)
    assert claim.status is Status.NOT_ESTABLISHED
    assert claim.message == (
        "The smallest eigenvalue of the Hessian was -0.02 ± 1e-06, below -0.01. Parameters under a constraint: 20; "
        "it may not let them go along its direction."
    )


def test_a_loss_that_does_not_bend():
    claim = asked(0.0, largest=0.0, residual=0.0, tolerance=1e-308)
    assert claim.status is Status.ESTABLISHED
    assert (
        claim.message == "Every product with the Hessian was zero (60 in all): no bend of the loss was seen."
    )


def test_what_it_says():
    claim = asked(-0.02)
    assert claim.message == (
        "The smallest eigenvalue of the Hessian was -0.02 ± 1e-06, below -0.01; the largest was 1. Along its "
        "direction the loss bends downwards: a displacement grows e-fold in 25 steps at the largest step that is "
        "stable."
    )
    assert any("no proof of a minimum" in each for each in claim.assumptions)
    assert "missed one below -0.0001 is at most 1 %" in asked(0.0).message
    assert "only the Gauss-Newton matrix" in asked(0.0, gauss_newton=True).message


def test_not_looked_at():
    claim = NegativeCurvature().ask(EMPTY, Examination(missing={"curvature": "no products were allowed"}))
    assert claim.status is Status.NOT_ESTABLISHED and "no products were allowed" in claim.message


@pytest.mark.parametrize(("lowest", "status"), [(-0.05, Status.REFUTED), (0.0, Status.ESTABLISHED)])
def test_on_spectra_that_are_known(lowest, status):
    spectrum = np.r_[lowest, np.linspace(0.0, 0.1, 300), 1.0]
    found = extremes(lambda v: spectrum * v, len(spectrum), products=80)
    tolerance = found.smallest.value - found.lower(0.01)
    ends = (Ritz(each.value, each.residual) for each in (found.smallest, found.largest))
    curvature = Curvature(*ends, found.products, 0.01, tolerance)
    assert (
        NegativeCurvature()
        .ask(EMPTY, Examination(parameters=301, examples=9, total=9, curvature=curvature))
        .status
        is status
    )


@given(*(st.floats() for _ in range(5)), st.booleans())
def test_total(smallest, largest, residual, tolerance, missed, gauss_newton):
    asked(smallest, largest, residual, tolerance, missed, gauss_newton=gauss_newton)
