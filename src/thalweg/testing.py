"""The conformance suite that every rule inherits; needs pytest to be run and Hypothesis for drawn records.

In a test module of your own:

    from thalweg.testing import RuleConformance

    class TestMyRule(RuleConformance):
        rule = MyRule()
"""

import dataclasses
import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from thalweg.finding import Family, Finding, Verdict
from thalweg.plugins import CODE
from thalweg.record import Event, Record, Series
from thalweg.rule import Rule
from thalweg.rules import RULES

SERIES = {
    "loss": "loss",
    "learning_rate": "1",
    "gradient_norm": "loss/parameter",
    "nonfinite_gradients": "entries",
    "update_norm": "parameter",
    "parameter_norm": "parameter",
    "gradient_cosine": "cosine",
    "epoch_loss": "loss",
    "validation_loss": "loss",
    "probe_loss": "loss",
    "probe_accuracy": "fraction",
    "predicted_classes": "classes",
    "probe_explained_variance": "fraction",
    "output_mean": "target",
    "output_spread": "target",
    "output_minimum": "target",
    "output_maximum": "target",
    "balanced_accuracy": "fraction",
    "recomputed_loss": "loss",
    "probe_training_loss": "loss",
    "penalty": "loss",
    "added_loss": "loss",
    "average_span": "steps",
    "early_average_loss": "loss",
    "average_loss": "loss",
    "iterate_loss": "loss",
    "iterate_loss_error": "loss",
    "average_distance": "parameter",
    "sharpness": "loss/parameter^2",
    "sharpness_residual": "loss/parameter^2",
    "sharpness_limit": "loss/parameter^2",
}
"""Every whole-model quantity of the record's contract, and its unit."""

TENSOR_SERIES = {
    "gradient_norm": "loss/parameter",
    "update_ratio": "1",
    "parameter_norm": "parameter",
    "zero_gradient_fraction": "fraction",
}
"""The quantities of a parameter tensor."""

LAYER_SERIES = {
    "dead_fraction": "fraction",
    "saturated_fraction": "fraction",
    "activation_mean": "activation",
    "activation_spread": "activation",
    "effective_rank": "fraction",
}
"""The quantities of a layer."""

SECTIONS = (
    "What it asks",
    "Why it matters",
    "How it is decided",
    "Thresholds",
    "Known limits",
    "What to do",
    "References",
)
"""What a manual page has to have."""

INFO: dict[str, Any] = {
    "step_unit": "step",
    "optimizer": {"name": "adam", "learning_rate": 0.001},
    "tensors": [
        {"name": f"dense_{i}/{v}", "layer": f"dense_{i}", "shape": [8, 8], "size": 64}
        for i in range(6)
        for v in ("kernel", "bias")
    ],
    "data": {
        "examples": 256,
        "inputs": [{"name": "x", "nonfinite": 0}],
        "targets": [{"name": "y", "nonfinite": 0, "kind": "classes", "class_counts": [128, 128]}],
    },
    "fit": {"epochs": 4, "steps_per_epoch": 100, "batch_size": 32, "validation": True},
    "initial_loss": 0.7,
    "constant_prediction_loss": 0.6931471805599453,
    "watch": {"probe_examples": 256},
}
"""Facts of an ordinary run of a six-layer binary classifier."""

ODD_INFO: tuple[dict[str, Any], ...] = (
    {},
    {"step_unit": "epoch"},
    {**INFO, "optimizer": {"name": "LossScaleOptimizer"}},
    {**INFO, "initial_loss": float("nan"), "constant_prediction_loss": 0.0},
    {**INFO, "data": {"inputs": [{"name": "x", "nonfinite": 3}], "targets": [{"class_counts": "none"}]}},
    {"optimizer": None, "tensors": "no list", "data": [], "fit": 3, "initial_loss": "1", "watch": None},
)
"""Facts that are missing, broken or rare."""

_TOKEN = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?")


def filled(
    values: Callable[[int], Iterable[float]], count: int, info: dict[str, Any] | None = None
) -> Record:
    """A record with every series of the contract, each `count` long with the values `values(count)`."""
    names = dict(SERIES)
    for i in range(6):
        for variable in ("kernel", "bias"):
            names |= {f"{q}/dense_{i}/{variable}": unit for q, unit in TENSOR_SERIES.items()}
        names |= {f"{q}/dense_{i}": unit for q, unit in LAYER_SERIES.items()}
    steps = np.arange(1, count + 1)
    series = [Series(n, u, steps, np.fromiter(values(count), dtype=np.float64)) for n, u in names.items()]
    events = [Event(count, "epoch", {"epoch": 1}), Event(count, "finished", {"reason": "completed"})]
    return Record.of(series, INFO if info is None else info, events)


def hard_records() -> dict[str, Record]:
    """Records that break careless rules, by name."""
    rng = np.random.default_rng(0)
    fills: dict[str, Callable[[int], Iterable[float]]] = {
        "zero": lambda n: [0.0] * n,
        "constant": lambda n: [0.5] * n,
        "all NaN": lambda n: [np.nan] * n,
        "infinite": lambda n: [np.inf] * n,
        "minus infinite": lambda n: [-np.inf] * n,
        "huge": lambda n: [1e300] * n,
        "huge and alternating": lambda n: [(-1.0) ** i * 1e300 for i in range(n)],
        "largest": lambda n: [(-1.0) ** i * 1.7e308 for i in range(n)],
        "tiny": lambda n: [5e-324 * (i % 3) for i in range(n)],
        "falling": lambda n: [1.0 / (1 + i) for i in range(n)],
        "rising": lambda n: [float(i) for i in range(n)],
        "exploding": lambda n: [float(np.exp(min(i, 700))) for i in range(n)],
        "ends in NaN": lambda n: [1.0 + 0.1 * (i % 2) for i in range(n - 1)] + [np.nan],
        "mixed": lambda n: rng.choice([np.nan, np.inf, -np.inf, 0.0, 1.0, -1e300, 1e300], n),
        "noise": lambda n: rng.standard_normal(n),
    }
    found = {"empty": Record.of([]), "facts only": Record.of([], INFO)}
    for name, values in fills.items():
        for count in (1, 2, 5, 40, 400):
            found[f"{name}, {count}"] = filled(values, count)
    for i, info in enumerate(ODD_INFO):
        found[f"odd facts {i}"] = filled(lambda n: [1.0 / (1 + k) for k in range(n)], 120, info)
        found[f"odd facts {i}, NaN"] = filled(lambda n: [np.nan] * n, 120, info)
    found["no values"] = Record.of([Series(n, u, np.array([]), np.array([])) for n, u in SERIES.items()])
    return found


def numbers(text: str) -> set[str]:
    """The figures that stand in a text as words of their own."""
    return set(_TOKEN.findall(text))


def check(rule: Rule, record: Record) -> Finding:
    """The finding of a rule on a record, held against everything that is asked of any finding.

    Raises `AssertionError` naming what is wrong.
    """
    before = record.digest()
    with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
        warnings.simplefilter("error")
        finding = rule.check(record)
        again = rule.check(record)
    assert isinstance(finding, Finding), f"{rule.code} returned {type(finding).__name__}, not a Finding"
    assert record.digest() == before, f"{rule.code} changed the record"
    assert repr(finding) == repr(again), f"{rule.code} is not deterministic"
    assert finding.code == rule.code and finding.title == rule.title
    message = finding.message
    assert message and message[0].isupper() and message.endswith("."), f"not a sentence: {message!r}"
    assert "{" not in message and "}" not in message, f"an unfilled place: {message!r}"
    known: set[str] = set()
    stripped = message
    for evidence in finding.evidence.values():
        if isinstance(evidence.value, str):
            stripped = stripped.replace(evidence.value, "")
        for value in (evidence.value, evidence.usual, evidence.threshold):
            if value is not None:
                known |= numbers(evidence.words(value))
    missing = numbers(re.sub(r"`[^`]*`", "", stripped)) - known
    assert not missing, f"{sorted(missing)} of {message!r} are not in the evidence"
    if finding.verdict is Verdict.UNASSESSED:
        assert message.startswith("Not assessed: ") and len(message) > 20, f"no reason: {message!r}"
    if finding.verdict is Verdict.CONCERN:
        assert finding.remedies, f"{rule.code} is concerned and offers no remedy"
        # Before the first step there is nothing but facts.
        assert finding.series or rule.before, f"{rule.code} is concerned and names no series that shows it"
        assert finding.evidence, f"{rule.code} is concerned and has no evidence"
    for remedy in finding.remedies:
        for words in (remedy.action, remedy.reason):
            assert words[:1].isupper() and words.endswith("."), f"a remedy that is no sentence: {words!r}"
    assert finding.step is None or 0 <= finding.step <= record.last_step, f"no such step: {finding.step}"
    return finding


class RuleConformance:
    """What every rule must do, whatever it asks: inherit it and set `rule`."""

    rule: ClassVar[Rule]
    """The rule under test."""

    def test_answers_hard_records(self) -> None:
        """Totality: empty, one value, constant, NaN, infinite, 1e300, with facts missing or broken."""
        for name, record in hard_records().items():
            try:
                check(self.rule, record)
            except Exception as error:
                raise AssertionError(f"{self.rule.code} on the record {name!r}: {error}") from error

    def test_answers_drawn_records(self) -> None:
        """Totality on whatever Hypothesis draws."""
        import hypothesis
        from hypothesis import strategies as st

        number = st.one_of(st.floats(), st.floats(-10.0, 10.0), st.sampled_from([0.0, 1.0, 1e300, -1e300]))

        @hypothesis.settings(max_examples=40, deadline=None, database=None, derandomize=True)
        @hypothesis.given(
            st.lists(number, max_size=70), st.integers(1, 8), st.sampled_from((*ODD_INFO, INFO))
        )
        def run(values: list[float], repeats: int, info: dict[str, Any]) -> None:
            check(self.rule, filled(lambda n: (values * repeats)[:n], len(values) * repeats, info))

        run()

    def test_unassessed_where_a_series_is_missing(self) -> None:
        """Each group of needed quantities, taken away, leaves a reason that names it."""
        whole = filled(lambda n: [1.0 / (1 + i) for i in range(n)], 300)
        for group in self.rule.needs:
            record = Record.of(
                [s for s in whole.series.values() if s.quantity not in group], whole.info, whole.events
            )
            finding = check(self.rule, record)
            assert finding.verdict is Verdict.UNASSESSED, (
                f"{self.rule.code} assessed a record without {group}"
            )
            assert any(name in finding.message for name in group), (
                f"does not say what is missing: {finding.message}"
            )

    def test_asks_for_something(self) -> None:
        """A record without a single series is unassessed."""
        assert check(self.rule, Record.of([])).verdict is Verdict.UNASSESSED

    def test_code_is_permanent_and_its_own(self) -> None:
        """Capital letters and three digits, that no other rule has."""
        assert re.fullmatch(CODE, self.rule.code), f"not a code: {self.rule.code!r}"
        others = [r for r in RULES if r.code == self.rule.code and type(r) is not type(self.rule)]
        assert not others, f"{self.rule.code} is taken by {type(others[0]).__name__}"
        assert isinstance(self.rule.family, Family)
        assert self.rule.title and self.rule.title[0].isupper() and not self.rule.title.endswith(".")

    def test_manual_page_is_complete(self) -> None:
        """The docstring has its sections, and names every threshold with its present value."""
        manual = self.rule.manual()
        for section in SECTIONS:
            assert re.search(rf"^## {section}$\n+\S", manual, re.MULTILINE), f"no section {section!r}"
        thresholds = manual.partition("## Thresholds")[2].partition("\n## ")[0]
        for field in dataclasses.fields(self.rule):
            value = getattr(self.rule, field.name)
            stated = re.search(rf"`{field.name}` = ([\d.e+-]*\d)", thresholds)
            assert stated is not None, f"threshold `{field.name}` is not documented"
            assert float(stated[1]) == value, f"`{field.name}` is {value}, the manual says {stated[1]}"
