"""The certificate on the page: every claim, every picture also in words, and none that is not this run's."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import thalweg
from thalweg.certificate import Claim, Status
from thalweg.examination import Curvature, Examination, Plane, Ritz, StepLimit
from thalweg.finding import Evidence
from thalweg.render import page
from thalweg.render.certified import pictures
from thalweg.render.charts import charts
from thalweg.render.crossing import crossing
from thalweg.render.landscape import landscape
from thalweg.render.spectrum import spectrum
from thalweg.render.symmetric import Symmetric
from thalweg.store import Journal
from thalweg.store.certificates import CERTIFICATE, write_certificate
from thalweg.words import figure

from . import samples
from .test_page import HOSTILE, Document, squeezed

LIMIT = StepLimit(Ritz(9.12, 0.4), 10.0, "2 / learning rate", 0.2)


def document(certificate=None, examination=None, **options) -> Document:
    record, diagnosis = samples.healthy()
    made, measured = samples.certified(record)
    return Document(page(record, diagnosis, certificate or made, examination or measured, **options))


# --- the claims -----------------------------------------------------------------------------------


def test_each_claim_says_how_it_stands_what_it_rests_on_and_what_was_looked_at():
    record, _ = samples.healthy()
    certificate, _ = samples.certified(record)
    shown = document()
    assert shown.words.count(certificate.head) == 2, "in the first lines and over the claims"
    for claim in certificate:
        assert claim.statement in shown.words
        assert squeezed(claim.message) in squeezed(shown.words)
        for evidence in claim.evidence.values():
            assert f" {evidence} " in shown.words
        for words in claim.assumptions:
            assert words in shown.words
        assert f"Looked at: {claim.scope}." in shown.words or not claim.scope
    assert "1 established 1 refuted 1 not established" in shown.words
    assert "✓ Established The loss has no trend" in shown.words
    assert "✕ Refuted No direction" in shown.words
    assert "? Not established Validation agrees" in shown.words
    assert (
        certificate.subject["record"][:12] in shown.words
        and certificate.subject["weights"][:12] in shown.words
    )
    assert len(shown.ids) == len(set(shown.ids))
    links = [a["href"] for tag, a in shown.tags if tag == "a"]
    assert links.count("#certificate") == 2 and all(link[1:] in shown.ids for link in links)


def test_a_certificate_without_claims_still_says_its_head():
    record, _ = samples.healthy()
    certificate, _ = samples.certified(record)
    assert document(replace(certificate, claims=())).words.count(certificate.head) == 2


def test_without_a_certificate_nothing_is_said_of_one():
    source = page(*samples.healthy())
    assert "ertificate" not in Document(source).words and Document(source).payload["pictures"] == []


def test_a_certificate_of_another_state_is_not_shown_but_said_to_be_one():
    record, _ = samples.healthy()
    certificate, _ = samples.certified(record)
    for digest in ("0" * 64, ""):
        other = replace(certificate, subject={"record": digest})
        shown = document(other)
        assert "is of another state of this run" in shown.words and record.digest()[:12] in shown.words
        assert certificate.head not in shown.words and shown.payload["pictures"] == []
        assert "certificate" in shown.ids


def test_report_takes_the_certificate_from_the_folder_of_the_run(tmp_path):
    run = tmp_path / "run"
    journal = Journal.create(run, {"name": "digits"})
    journal.append([("loss", "loss")], np.array([1, 2, 3]), np.array([[3.0], [2.0], [1.0]]))
    journal.close()
    certificate, examination = samples.certified(thalweg.read(run))
    write_certificate(run / CERTIFICATE, certificate, examination)

    def shown() -> str:
        return Document(thalweg.report(run, tmp_path / "page.html").read_text(encoding="utf-8")).words

    assert certificate.head in shown()
    write_certificate(run / CERTIFICATE, replace(certificate, subject={"record": "e" * 64}), examination)
    assert certificate.head not in shown() and "another state of this run" in shown()
    (run / CERTIFICATE).write_text("{", encoding="utf-8")
    assert "The certificate cannot be shown: " in shown() and "is no certificate that can be read" in shown()


@pytest.mark.parametrize("where", ["claim", "head", "subject", "rule", "curve"])
def test_no_string_of_a_certificate_becomes_markup(where):
    record, _ = samples.healthy()
    certificate, examination = samples.certified(record)
    options = {}
    if where == "claim":
        evidence = {HOSTILE: Evidence(HOSTILE, HOSTILE)}
        odd = Claim(HOSTILE, HOSTILE, Status.REFUTED, HOSTILE, evidence, (HOSTILE,), HOSTILE)
        certificate = replace(certificate, claims=(odd,))
    if where == "head":
        certificate = replace(certificate, head=HOSTILE, version=HOSTILE)
    if where == "subject":
        certificate = replace(certificate, subject={**certificate.subject, HOSTILE: HOSTILE})
    if where == "rule":
        examination = replace(examination, step_limit=replace(LIMIT, rule=HOSTILE))
    if where == "curve":
        t = np.array([0.0, 1.0])
        options["further"] = [crossing({HOSTILE: (t, t), "b": (t, t)}, (HOSTILE, HOSTILE))]
    shown = document(certificate, examination, **options)
    assert not any(tag == "img" for tag, _ in shown.tags)
    assert not any(key.startswith("on") for _, attributes in shown.tags for key in attributes)
    assert sum(tag == "script" for tag, _ in shown.tags) == 3
    assert "</script><img src=x onerror=alert(1)>" in shown.words


# --- the pictures ---------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_the_axis_keeps_the_order_and_the_signs(values):
    axis = Symmetric.of(values)
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places) and all(map(math.isfinite, places))
    for value in values:
        assert axis.place(-value) == -axis.place(value)
        if abs(value) > 1e-300 * max(map(abs, values)):  # less is nothing in float64
            assert (axis.place(value) > 0) == (value > 0)


def test_the_axis_is_linear_inside_and_a_decade_is_one_outside():
    axis = Symmetric.of([-0.5, 2e-9, 9.12])
    assert axis.exponent == -3
    expected = {
        0.0: 0,
        5e-4: 0.5,
        -2.5e-4: -0.25,
        1e-3: 1,
        1e-2: 2,
        10.0: 5,
        -0.1: -3,
        2.0: 4 + math.log10(2),
    }
    for value, place in expected.items():
        assert axis.place(value) == pytest.approx(place, abs=1e-12)


def test_the_spectrum_is_drawn_where_it_was_measured():
    found = samples.curvature()
    picture = spectrum(found, LIMIT, 8970)
    drawn = picture.drawn
    assert (drawn["exponent"], drawn["low"], drawn["high"]) == (-3, -4, 5)
    # By hand: 2.4 is 3 decades and log10(2.4) above 10^-3, which stands at 1.
    assert [4.3802, math.log10(3e-4 / 0.99981), 2.4, 3.0006e-4] == pytest.approx(drawn["stems"][9], rel=1e-3)
    assert [s[2] for s in drawn["stems"]] == sorted(found.nodes.tolist())
    assert drawn["shares"][-1][1] == pytest.approx(1.0, abs=1e-4)
    assert [s[3] - s[2] for s in drawn["shares"][3:6]] == pytest.approx([0.12] * 3, abs=1e-3)
    marks = {m["name"]: m for m in drawn["marks"]}
    assert list(marks) == ["smallest -0.51", "largest 9.12", "limit 10"]
    assert marks["limit 10"]["at"] == 5 and marks["largest 9.12"]["to"] == pytest.approx(
        4 + math.log10(9.52), abs=1e-4
    )
    # By hand: 0.3932 of the weights lie at or below -1e-05, 0.7132 at or below 3e-06.
    assert "-0.51 ± 0.002, the largest 9.12 ± 0.4; half of all were at or below 3e-06." in picture.words[0]
    assert "10 (2 / learning rate, at a rate of 0.2)" in picture.words[-1]
    assert len(picture.tables["The eigenvalues as point masses"].rows) == len(found.nodes)


def test_nodes_in_any_order_make_the_same_picture():
    found = samples.curvature()
    order = np.random.default_rng(3).permutation(len(found.nodes))
    mixed = replace(found, nodes=found.nodes[order], weights=found.weights[order], band=found.band[order])
    assert spectrum(mixed, LIMIT, 8970).drawn == spectrum(found, LIMIT, 8970).drawn


def test_a_limit_on_another_scale_is_said_and_not_drawn():
    found = samples.curvature()
    scaled = replace(LIMIT, preconditioned=True, limit=38.0, rule="38 / learning rate")
    for limit in (
        scaled,
        replace(LIMIT, limit=1e200),
        replace(LIMIT, limit=np.inf),
        replace(LIMIT, limit=np.nan),
        None,
    ):
        assert len(spectrum(found, limit, 10).drawn["marks"]) == 2
    picture = spectrum(found, scaled, 10)
    assert "another scale" in picture.words[-1] and "38 (38 / learning rate" in picture.words[-1]
    assert "Gauss-Newton matrix" in spectrum(replace(found, gauss_newton=True), None, 10).title


numbers = st.floats(width=64)


@settings(max_examples=200, deadline=None)
@given(
    arrays(np.float64, 4, elements=numbers),
    arrays(np.float64, st.integers(3, 4), elements=numbers),
    arrays(np.float64, st.integers(3, 4), elements=numbers),
    st.tuples(*[numbers] * 6),
    st.integers(0, 10**9),
)
def test_any_spectrum_is_drawn_or_left_out(nodes, weights, band, six, parameters):
    found = Curvature(Ritz(six[0], six[1]), Ritz(six[2], six[3]), 3, nodes=nodes, weights=weights, band=band)
    picture = spectrum(found, StepLimit(Ritz(six[4], 0.0), six[5], "2 / learning rate", 0.1), parameters)
    if picture:
        json.dumps(picture.drawn, allow_nan=False)
        assert picture.drawn["low"] < 0 < picture.drawn["high"] and picture.drawn["high"] < 1_000


def test_the_plane_holds_the_losses_the_path_and_its_ends():
    found = samples.plane()
    picture = landscape(found)
    drawn = picture.drawn
    assert drawn["log"] and picture.unit == "loss, logarithmic"
    assert drawn["broken"] == [[0, 20]] and len(drawn["cells"]) == 440
    assert all(
        value == pytest.approx(found.losses[row, column], rel=1e-4) for column, row, value in drawn["cells"]
    )
    assert drawn["ends"] == ["step 100", "step 2,000, final"] and drawn["path"][-1] == [0, 0]
    assert drawn["axes"] == ["first direction (83 % of the path)", "second direction (11 % of the path)"]
    words = " ".join(picture.words)
    assert "94 % of the path" in words and "24 points" in words and "1,500 examples" in words
    assert f"It was lowest, {figure(float(np.nanmin(found.losses)))}, at (-0.14, 0.05)," in words
    assert f"highest {figure(float(np.nanmax(found.losses)))}" in words
    path, losses = picture.tables.values()
    assert path.rows[-1] == ("2,000", "0", "0")
    # The table is as the picture: the highest place of the second direction comes first.
    assert losses.rows[0][0] == figure(found.up[-1]) and losses.rows[-1][1] == figure(found.losses[0, 0])
    assert not landscape(replace(found, losses=found.losses + 100)).drawn["log"]


def test_a_plane_that_does_not_fit_together_is_left_out():
    found = samples.plane()
    for wrong in (
        replace(found, losses=found.losses.T[:3]),
        replace(found, path=found.path[:3]),
        replace(found, across=found.across[::-1]),
        replace(found, shares=np.array([1.0])),
        replace(found, up=found.up * np.nan),
        replace(found, path=found.path[:0], steps=found.steps[:0]),
        Plane(*[np.empty(0)] * 6, examples=0),
    ):
        assert landscape(wrong) is None
    nowhere = landscape(replace(found, losses=found.losses * np.nan))
    assert nowhere.drawn["cells"] == [] and "At 441 points of the grid (hatched)" in " ".join(nowhere.words)


def test_the_line_between_two_solutions_has_a_curve_for_each_name():
    picture = samples.between()
    before, after = picture.drawn["lines"]
    assert (before["name"], after["name"]) == ("before matching", "after matching")
    assert before["colour"] != after["colour"] and before["points"][12] == [0.5, 2.01]
    assert (
        picture.words[0]
        == "Before matching: 0.11 at the start, 0.11 at the end, highest 2.01 at position 0.5."
    )
    t = np.array([0.0, 0.5, 1.0])
    broken = crossing({"x": (t, np.array([1.0, np.nan, 3.0])), "empty": (t[:0], t[:0])}, ("a", "b"))
    assert broken.drawn["lines"][0]["points"] == [[0.0, 1.0], [0.5, None], [1.0, 3.0]] and broken.key == ()
    assert "at 1 of 3 positions it was not finite" in broken.words[0]
    assert crossing({"x": (t, t * np.nan)}, ("a", "b")) is None and crossing({}, ("a", "b")) is None


def test_everything_that_is_drawn_is_in_the_page_in_words_and_numbers():
    record, _ = samples.healthy()
    _, examination = samples.certified(record)
    shown = document(further=[samples.between()])
    made = [*pictures(examination, "step"), samples.between()]
    assert (
        [p["kind"] for p in shown.payload["pictures"]]
        == [p.kind for p in made]
        == ["spectrum", "plane", "crossing"]
    )
    for number, picture in enumerate(made, start=1):
        (plot,) = [a for _, a in shown.tags if a.get("aria-describedby") == f"picture-{number}-words"]
        assert plot["role"] == "img" and plot["aria-label"] == picture.title
        assert f"picture-{number}-words" in shown.ids
        assert " ".join(picture.words) in shown.words and picture.how in shown.words
        for table in picture.tables.values():
            assert " ".join(cell for cell in table.rows[-1]) in shown.words
    assert pictures(Examination(), "step") == () == pictures(None, "step")


def test_the_edge_of_stability_is_one_chart_with_both_lines():
    record, diagnosis = samples.edge()
    (chart,) = [c for c in charts(record, diagnosis).charts if "sharpness" in c.series]
    assert (
        chart.series == ("sharpness", "sharpness_limit") and not chart.folded and chart.title == "sharpness"
    )
    assert [(line.kind, line.name) for line in chart.lines] == [
        ("alone", "largest eigenvalue on the probe batch"),
        ("limit", "what the step bears"),
    ]
    assert "largest eigenvalue on the probe batch 41.2" in Document(page(record, diagnosis)).words
    alone = thalweg.Record.of([record.series["sharpness_limit"]])
    assert [c.title for c in charts(alone, diagnosis).charts] == ["sharpness limit"]
