"""The sentence that the claims carry, and never more than they do."""

import itertools

import numpy as np
import pytest

from thalweg.certificate import Claim, Outcome, Status
from thalweg.claims.head import head
from thalweg.finding import Evidence
from thalweg.record import Record, Series

EMPTY = Record.of([])
E, R, N = Status.ESTABLISHED, Status.REFUTED, Status.NOT_ESTABLISHED
NAMES = ("not-frozen", "no-trend", "no-negative-curvature", "gradient-zero", "noise-ball")


def claims(*statuses: Status) -> list[Claim]:
    fell = {"change": Evidence(-1.0, "loss")}
    return [
        Claim(name, f"About {name}.", status, f"It was {status} of {name}. More.", fell)
        for name, status in zip(NAMES, statuses, strict=True)
    ]


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((E, E, E, E, N), Outcome.CONVERGED),
        ((E, E, N, E, N), Outcome.CONVERGED),
        ((E, E, E, N, E), Outcome.NOISE_BALL),
        ((N, N, N, R, E), Outcome.NOISE_BALL),
        ((E, R, E, E, E), Outcome.FALLING),
        ((E, N, E, N, R), Outcome.FALLING),
        ((E, E, N, E, R), Outcome.CONVERGED),
        ((R, R, E, N, N), Outcome.FROZEN),
        ((R, E, E, E, E), Outcome.FROZEN),
        ((E, E, R, E, N), Outcome.SADDLE),
        ((E, E, R, N, N), Outcome.SADDLE),
        ((E, N, R, E, N), Outcome.UNKNOWN),
        ((E, E, R, E, E), Outcome.NOISE_BALL),
        ((E, E, E, R, N), Outcome.UNKNOWN),
        ((E, N, E, E, N), Outcome.UNKNOWN),
        ((N, N, N, N, N), Outcome.UNKNOWN),
    ],
)
def test_the_first_row_that_matches_gives_the_outcome(statuses, outcome):
    assert head(EMPTY, claims(*statuses))[0] is outcome


def test_converged_is_never_said_where_a_claim_of_it_is_refuted():
    for statuses in itertools.product((E, R, N), repeat=5):
        outcome, sentence = head(EMPTY, claims(*statuses))
        if outcome in (Outcome.CONVERGED, Outcome.NOISE_BALL):
            assert R not in statuses[:2], statuses
        if outcome is Outcome.CONVERGED:
            assert R not in statuses[:4] and statuses[3] is E, statuses
        assert sentence.startswith(outcome.value[:1].upper() + outcome.value[1:] + ": ")
        assert sentence.count(". ") == 0 and sentence.endswith(".")


def test_a_loss_that_rose_was_not_falling():
    rose = Claim("no-trend", "", R, "It rose.", {"change": Evidence(1.0, "loss")})
    assert head(EMPTY, [rose])[0] is Outcome.UNKNOWN


def test_a_mean_that_improves_while_the_loss_rises_tells_nothing():
    rose = Claim("no-trend", "", N, "It rose.", {"change": Evidence(1.0, "loss")})
    assert head(EMPTY, [rose, Claim("noise-ball", "", R, "It improves.")])[0] is Outcome.UNKNOWN


def test_a_run_that_diverged_says_so_whatever_the_claims():
    steps = np.arange(1, 401)
    loss = Series("loss", "loss", steps, np.where(steps < 300, 1.0, np.nan))
    outcome, sentence = head(Record.of([loss]), claims(E, E, E, E, E))
    assert outcome is Outcome.DIVERGED
    assert sentence.startswith("Diverged: ")


def test_without_claims_nothing_is_told():
    assert head(EMPTY, [])[0] is Outcome.UNKNOWN
