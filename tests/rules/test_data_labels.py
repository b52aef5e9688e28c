"""D008 to D010: what the labels say, and what the network made of them."""

from typing import Any, ClassVar

import numpy as np
import pytest

from thalweg import Record, Verdict
from thalweg.rules.imbalance import Imbalance
from thalweg.rules.noisy_labels import NoisyLabels
from thalweg.rules.unrelated_labels import UnrelatedLabels

from .examples import CLASSES, NUMBERS, ask, before, data, falling, flat, run, verdict

CONCERN, SATISFACTORY, UNASSESSED = Verdict.CONCERN, Verdict.SATISFACTORY, Verdict.UNASSESSED


class TestUnrelatedLabels:
    rule = UnrelatedLabels()
    nothing: ClassVar = {"score": 0.49, "chance": 0.5, "p": 0.62, "permutations": 99}
    by_heart: ClassVar = {
        "validation_loss": np.linspace(0.7, 2.0, 20),
        "validation_accuracy": [0.5, *[0.49] * 19],
    }

    def test_shuffled_labels_learned_by_heart(self):
        facts = data(signal=self.nothing, validation={"examples": 1000})
        finding = ask(self.rule, run(facts, falling(0.01), ends=self.by_heart))
        assert finding.verdict is CONCERN and "p = 0.62" in finding.message
        assert finding.series[0] == "validation_accuracy"

    def test_losses_tell_where_no_accuracy_was_logged(self):
        facts = data(signal=self.nothing)
        assert verdict(self.rule, run(facts, ends={"validation_loss": [0.72, 0.9, 1.1]})) is CONCERN
        assert verdict(self.rule, run(facts, ends={"validation_loss": [0.72, 0.6, 1.1]})) is UNASSESSED
        assert verdict(self.rule, run(facts, ends={"validation_loss": [0.72, 1.1]})) is UNASSESSED

    def test_a_network_that_finds_what_the_simple_method_does_not(self):
        """A parity, or the order of words."""
        ends = {
            "validation_loss": np.linspace(0.7, 0.3, 20),
            "validation_accuracy": np.linspace(0.5, 0.9, 20),
        }
        assert verdict(self.rule, run(data(signal=self.nothing), ends=ends)) is UNASSESSED

    def test_a_small_validation_set_is_lucky(self):
        ends = {"validation_loss": [0.7] * 20, "validation_accuracy": [0.5] * 19 + [0.58]}
        few, many = ({"examples": n} for n in (100, 10_000))
        assert verdict(self.rule, run(data(signal=self.nothing, validation=few), ends=ends)) is CONCERN
        assert verdict(self.rule, run(data(signal=self.nothing, validation=many), ends=ends)) is UNASSESSED

    @pytest.mark.parametrize("logged", ["loss", "accuracy"])
    def test_first_validations_that_dip_under_the_constant_by_chance(self, logged):
        accuracy = {"validation_accuracy": [0.5] * 20} if logged == "accuracy" else {}
        for dips, expected in ((4, CONCERN), (10, UNASSESSED)):
            ends = {"validation_loss": [0.66] * dips + [0.8] * (20 - dips), **accuracy}
            assert verdict(self.rule, run(data(signal=self.nothing), ends=ends)) is expected

    def test_many_looks_make_a_lucky_one(self):
        """Of 200 examples 62 % are 3.4 standard errors above a half: chance in twenty looks, none in three."""
        facts = data(signal=self.nothing, validation={"examples": 200})
        for looks, expected in ((20, CONCERN), (3, UNASSESSED)):
            accuracy = [*[0.5] * (looks - 1), 0.62]
            ends = {"validation_loss": [0.7] * looks, "validation_accuracy": accuracy}
            assert verdict(self.rule, run(facts, ends=ends)) is expected

    @pytest.mark.parametrize("balanced", [0.76, 0.5])
    def test_a_rare_class_that_accuracy_does_not_see(self, balanced):
        signal = {**self.nothing, "score": 0.96, "chance": 0.96, "p": 1.0, "balanced": balanced}
        rare = {**CLASSES, "class_counts": [983, 41]}
        accuracy = {"validation_accuracy": [0.96] * 20}
        facts = data(signal=signal, targets=rare)
        weighted = {"constant": None, "ends": {**accuracy, "validation_loss": np.linspace(0.6, 0.5, 20)}}
        found = verdict(self.rule, run(facts, **weighted))
        assert found is (UNASSESSED if balanced > 0.7 else CONCERN)
        learned = {"constant": 0.168, "ends": {**accuracy, "validation_loss": np.linspace(0.16, 0.1, 20)}}
        assert verdict(self.rule, run(facts, **learned)) is UNASSESSED

    def test_labels_with_a_signal(self):
        assert verdict(self.rule, run(data(), flat(), ends=self.by_heart)) is SATISFACTORY

    @pytest.mark.parametrize(
        ("p", "score", "found"),
        [(0.04, 0.6, SATISFACTORY), (0.01, 0.5, SATISFACTORY), (0.04, 0.53, CONCERN), (0.06, 0.6, CONCERN)],
    )
    def test_a_weak_signal_is_large_or_sure(self, p, score, found):
        weak = {**self.nothing, "p": p, "score": score}
        assert verdict(self.rule, run(data(signal=weak), flat(), ends=self.by_heart)) is found

    def test_a_validation_loss_a_little_lower_is_chance(self):
        """Two hundredths of a constant prediction's are what a few hundred examples are off by."""
        for loss, found in ((0.69, CONCERN), (0.67, UNASSESSED)):
            ends = {**self.by_heart, "validation_loss": [loss] * 20}
            assert verdict(self.rule, run(data(signal=self.nothing), flat(), ends=ends)) is found

    def test_without_validation_the_training_has_to_fail(self):
        assert verdict(self.rule, run(data(signal=self.nothing), flat())) is CONCERN
        assert verdict(self.rule, run(data(signal=self.nothing), falling())) is UNASSESSED

    def test_too_few_examples(self):
        facts = data(signal=self.nothing, examples=120)
        assert verdict(self.rule, run(facts, ends=self.by_heart)) is UNASSESSED

    def test_regression(self):
        facts = data(signal={**self.nothing, "score": -0.1, "chance": -0.12}, targets=NUMBERS)
        ends = {"validation_loss": [1.02, 1.1, 1.3]}
        finding = ask(self.rule, run(facts, falling(0.1, 1.0), ends=ends, constant=1.0))
        assert finding.verdict is CONCERN and "explained variance" in finding.message

    def test_unknown(self):
        assert verdict(self.rule, run(data(signal={"p": 0.5}), flat())) is UNASSESSED
        assert verdict(self.rule, run(data(signal=None), flat())) is UNASSESSED


class TestNoisyLabels:
    rule = NoisyLabels()
    noisy: ClassVar = {"score": 0.6, "chance": 0.5, "p": 0.01, "contradicted": 0.3}

    def after(self, best: float, ended: float, training: float = 0.99, **given: Any) -> Record:
        accuracy = [0.5, best, best, ended, ended, ended]
        ends = {"validation_accuracy": accuracy, "probe_accuracy": [training]}
        return run(data(**{"signal": self.noisy, **given}), falling(0.01), ends=ends)

    def test_learned_by_heart(self):
        finding = ask(self.rule, self.after(0.93, 0.74))  # clean validation labels
        assert finding.verdict is CONCERN and "30 %" in finding.message and "93 %" in finding.message
        assert verdict(self.rule, self.after(0.68, 0.57)) is CONCERN  # validation labels as noisy

    def test_a_hard_task_learned_by_heart(self):
        """The simple method errs where it is surest, and the network is no better on new examples."""
        assert verdict(self.rule, self.after(0.7, 0.69)) is SATISFACTORY
        hard = {**self.noisy, "contradicted": 0.12}
        assert verdict(self.rule, self.after(0.88, 0.87, training=0.97, signal=hard)) is SATISFACTORY

    def test_a_small_validation_set_was_lucky_once(self):
        few, many = ({"examples": n} for n in (100, 1000))
        assert verdict(self.rule, self.after(0.8, 0.69, validation=few)) is SATISFACTORY
        assert verdict(self.rule, self.after(0.8, 0.69, validation=many)) is CONCERN

    def test_half_a_fall_where_validation_never_rose_above_the_noise(self):
        assert verdict(self.rule, self.after(0.71, 0.64, validation={"examples": 5000})) is CONCERN
        assert verdict(self.rule, self.after(0.8, 0.73, validation={"examples": 5000})) is SATISFACTORY
        assert verdict(self.rule, self.after(0.71, 0.69, validation={"examples": 5000})) is SATISFACTORY

    def test_an_honest_plateau(self):
        assert verdict(self.rule, self.after(0.69, 0.69, training=0.71)) is SATISFACTORY
        assert verdict(self.rule, self.after(0.95, 0.95, training=0.71)) is SATISFACTORY

    alike: ClassVar = {"examples": 1000, "shift": 0.51, "targets": [{**CLASSES, "class_counts": [490, 510]}]}

    def test_labels_that_are_wrong_in_training_only(self):
        finding = ask(self.rule, self.after(0.95, 0.93, 0.71, total=5000, validation=self.alike))
        assert finding.verdict is CONCERN and "71 %" in finding.message and "93 %" in finding.message
        assert "labels right" in finding.remedies[0].action

    def test_labels_that_are_wrong_on_both_sides(self):
        plateau = self.after(0.8, 0.8, 0.71, total=5000, validation=self.alike)
        assert verdict(self.rule, plateau) is SATISFACTORY

    @pytest.mark.parametrize(
        "facts",
        [
            {"validation": alike},  # a pipeline, which may augment
            {"total": 5000, "validation": {**alike, "shift": 0.8}},
            {"total": 5000, "validation": {**alike, "targets": [{**CLASSES, "class_counts": [900, 100]}]}},
            {"total": 5000, "validation": {**alike, "targets": [{**CLASSES, "class_counts": [4, 3, 3]}]}},
            {"total": 5000, "validation": {**alike, "targets": None}},
            {"total": 5000, "validation": {**alike, "examples": 40}},
        ],
    )
    def test_training_examples_that_are_merely_harder(self, facts):
        assert verdict(self.rule, self.after(0.95, 0.93, 0.71, **facts)) is SATISFACTORY

    def test_clean_labels_that_dropout_hides(self):
        clean = {**self.noisy, "contradicted": 0.02}
        record = self.after(0.95, 0.93, 0.71, total=5000, validation=self.alike, signal=clean)
        assert verdict(self.rule, record) is SATISFACTORY

    def test_photographs_that_the_simple_method_cannot_tell(self):
        assert verdict(self.rule, self.after(0.8, 0.79, training=1.0)) is SATISFACTORY

    def test_clean_labels_overfitted(self):
        clean = {**self.noisy, "contradicted": 0.02}
        assert verdict(self.rule, self.after(0.85, 0.7, signal=clean)) is SATISFACTORY

    def test_labels_without_any_signal_are_another_fault(self):
        unrelated = {**self.noisy, "p": 0.6, "contradicted": 0.5}
        assert verdict(self.rule, self.after(0.51, 0.49, signal=unrelated)) is UNASSESSED

    def test_contradictions_among_equal_inputs(self):
        twins = {"examples": 0.3, "contradictions": 0.4, "finest": 0.8}
        clean = {**self.noisy, "contradicted": 0.0}
        finding = ask(self.rule, self.after(0.6, 0.55, signal=clean, duplicates=twins))
        assert finding.verdict is CONCERN and "equal another's" in finding.message
        categories = {**twins, "finest": 0.01}
        assert verdict(self.rule, self.after(0.6, 0.55, signal=clean, duplicates=categories)) is SATISFACTORY

    def pairs(self, **changed: float) -> Record:
        """Equal inputs of which half have another label; whether it was learned is not known."""
        twins = {"examples": 0.3, "contradictions": 0.5, "finest": 0.8, "group": 2.1, **changed}
        return run(data(signal=self.noisy, duplicates=twins), ends={"epoch_accuracy": [0.9] * 20})

    def test_pairs_that_contradict_one_another_need_no_further_sign(self):
        finding = ask(self.rule, self.pairs())
        assert finding.verdict is CONCERN and "in groups of 2.1 equal examples" in finding.message
        assert finding.remedies[0].action.startswith("Give equal inputs one label")

    @pytest.mark.parametrize(
        "changed",
        [
            {"group": 8.0},  # of many answers to an open question some differ
            {"contradictions": 0.2},
            {"finest": 0.01},  # categories; and the share of a simple method is an estimate
        ],
        ids=str,
    )
    def test_equal_inputs_that_may_differ(self, changed):
        assert verdict(self.rule, self.pairs(**changed)) is UNASSESSED

    def test_unknown(self):
        assert verdict(self.rule, run(data(signal=self.noisy), falling())) is UNASSESSED
        assert verdict(self.rule, run(data(targets=NUMBERS), falling())) is UNASSESSED
        only_training = run(data(signal=self.noisy), ends={"epoch_accuracy": [0.99] * 20})
        assert verdict(self.rule, only_training) is UNASSESSED


class TestImbalance:
    rule = Imbalance()
    rare: ClassVar = {**CLASSES, "class_counts": [960, 64]}

    def after(self, recall: float | None = 0.5, targets: Any = None, **info: Any) -> Record:
        facts = data(targets=targets or self.rare, **info.pop("facts", {}))
        ends = {"predicted_classes": [1.0]} | ({} if recall is None else {"balanced_accuracy": [recall]})
        return run(facts, ends=ends, **info)

    def test_the_rare_class_left_out(self):
        finding = ask(self.rule, self.after())
        assert finding.verdict is CONCERN and "93.8 %" in finding.message and "90 %" in finding.message
        assert "class_weight" in finding.remedies[0].code
        assert verdict(self.rule, self.after(None)) is CONCERN

    @pytest.mark.parametrize("recall", [0.6, 0.8, 1.0])
    def test_imbalanced_but_learned(self, recall):
        assert verdict(self.rule, self.after(recall)) is SATISFACTORY

    def test_balanced_classes(self):
        assert verdict(self.rule, self.after(targets=CLASSES)) is SATISFACTORY
        assert verdict(self.rule, self.after(targets={**CLASSES, "class_counts": [700, 324]})) is SATISFACTORY

    def test_what_was_done_about_it(self):
        assert verdict(self.rule, self.after(fit={"class_weight": True})) is SATISFACTORY
        assert verdict(self.rule, self.after(facts={"weighted": True})) is SATISFACTORY
        assert verdict(self.rule, self.after(metrics=["accuracy", "auc"])) is UNASSESSED
        assert verdict(self.rule, self.after(metrics_expected=["loss", "recall_1"])) is UNASSESSED
        assert verdict(self.rule, self.after(metrics=["accuracy"])) is CONCERN

    third: ClassVar = {**CLASSES, "class_counts": [787, 237]}

    @pytest.mark.parametrize(
        ("weights", "targets", "expected"),
        [
            ({"0": 2.1, "1": 0.66}, third, CONCERN),
            ({"0": 0.66, "1": 2.1}, third, SATISFACTORY),
            ({"0": 787, "1": 237}, third, CONCERN),  # the counts for the weights
            ({"0": 10.0, "1": 1.0}, third, SATISFACTORY),  # false alarms are dear
            ({"0": 1.0}, third, SATISFACTORY),
            ({"0": 0.0, "1": 1.0}, third, SATISFACTORY),
            ({"0": 1.1, "1": 1.0}, {**CLASSES, "class_counts": [530, 494]}, SATISFACTORY),
            (
                {"0": 6.0, "1": 3.0, "2": 1.0},
                {**CLASSES, "maximum": 2, "class_counts": [600, 300, 124]},
                CONCERN,
            ),
            (
                {"0": 6.0, "1": 1.0, "2": 1.0},
                {**CLASSES, "maximum": 2, "class_counts": [600, 300, 124]},
                SATISFACTORY,
            ),
            ({"1": 3.3, "2": 1.0}, {**third, "minimum": 1, "maximum": 2}, SATISFACTORY),  # which is which?
            ({"0": 3.3}, {"name": "y", "kind": "one-hot", "class_counts": [787, 237]}, CONCERN),
        ],
    )
    def test_weights_that_grow_with_the_classes(self, weights, targets, expected):
        fit = {"batch_size": 32, "shuffle": True, "class_weight": True, "class_weights": weights}
        finding = ask(self.rule, before(data(targets=targets), fit=fit))
        assert finding.verdict is expected
        assert expected is not CONCERN or "times the weight of the rarest" in finding.message

    def test_weights_that_grew_and_did_no_harm(self):
        fit = {"class_weight": True, "class_weights": {"0": 2.1, "1": 0.66}}
        assert verdict(self.rule, self.after(0.6, targets=self.third, fit=fit)) is CONCERN
        assert verdict(self.rule, self.after(0.92, targets=self.third, fit=fit)) is SATISFACTORY

    def test_the_rarest_class_where_none_is_rare(self):
        finding = ask(self.rule, self.after(targets=self.third))
        assert finding.message == "The commonest class had 76.9 % of the examples and the rarest 23.1 %."

    def test_inputs_that_do_not_tell_the_classes(self):
        """Answering the commonest class is the best there is."""
        weak = {"signal": {"p": 0.01, "balanced": 0.6}}
        assert verdict(self.rule, self.after(facts=weak)) is UNASSESSED
        assert verdict(self.rule, self.after(facts={"signal": None})) is UNASSESSED

    def test_too_short_a_run(self):
        facts, ends = data(targets=self.rare), {"balanced_accuracy": [0.5]}
        assert verdict(self.rule, run(facts, falling()[:100], ends=ends)) is UNASSESSED

    def test_classes_of_a_few_examples_do_not_count(self):
        few = {**CLASSES, "class_counts": [500, 520, 4]}
        assert verdict(self.rule, self.after(0.33, targets=few)) is UNASSESSED
        assert verdict(self.rule, self.after(targets={**CLASSES, "class_counts": [1020, 4]})) is UNASSESSED

    def test_several_classes(self):
        three = {**CLASSES, "class_counts": [800, 200, 24]}
        assert verdict(self.rule, self.after(0.36, targets=three)) is CONCERN
        assert verdict(self.rule, self.after(0.55, targets=three)) is SATISFACTORY

    def test_many_rare_classes_that_no_network_need_tell(self):
        """Ten of fifteen, of five examples each: the other five alone give a mean recall of a third."""
        tail: dict[str, Any] = {**CLASSES, "class_counts": [190] * 5 + [5] * 10}
        finding = ask(self.rule, self.after(0.34, targets=tail))
        assert finding.verdict is CONCERN and "each of 10 had 0.5 % on average" in finding.message
        assert finding.evidence["recall"].usual == pytest.approx(1 / 3)
        assert verdict(self.rule, self.after(0.45, targets=tail)) is SATISFACTORY
        half = {"signal": {"p": 0.01, "balanced": 0.5}}
        assert verdict(self.rule, self.after(0.34, targets=tail, facts=half)) is UNASSESSED

    @pytest.mark.parametrize(
        ("training", "seen", "expected"),
        [
            ([960, 64], [500, 500], CONCERN),
            ([960, 64], [64, 960], CONCERN),
            ([960, 64], [940, 60], UNASSESSED),
            ([960, 64], [750, 250], UNASSESSED),
            ([850, 150], [650, 350], UNASSESSED),  # not three times as often
            ([960, 64], [300, 300, 300], UNASSESSED),
        ],
    )
    def test_rare_classes_that_validation_is_full_of(self, training, seen, expected):
        """Whether the inputs tell them or not."""
        targets = {**CLASSES, "class_counts": training}
        facts = {"signal": None, "validation": {"targets": [{**CLASSES, "class_counts": seen}]}}
        finding = ask(self.rule, self.after(targets=targets, facts=facts))
        assert finding.verdict is expected
        assert expected is UNASSESSED or finding.evidence["met"].value == seen[1] / sum(seen)

    def test_unknown(self):
        assert verdict(self.rule, before(data(targets=self.rare))) is UNASSESSED
        assert verdict(self.rule, self.after(targets=NUMBERS)) is UNASSESSED
        assert verdict(self.rule, self.after(np.nan, targets=self.rare)) is CONCERN
