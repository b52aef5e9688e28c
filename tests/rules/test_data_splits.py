"""D006, D007 and D011: how the examples were split and in which order they came."""

from typing import Any, ClassVar

import numpy as np
import pytest

from thalweg import Record, Verdict
from thalweg.rules.leakage import Leakage
from thalweg.rules.sorted_batches import SortedBatches
from thalweg.rules.validation_shift import ValidationShift

from .examples import CLASSES, NUMBERS, ask, before, data, falling, flat, row, run, verdict

CONCERN, SATISFACTORY, UNASSESSED = Verdict.CONCERN, Verdict.SATISFACTORY, Verdict.UNASSESSED


def validation(*inputs: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {"examples": 1000, "inputs": list(inputs) or [row()], "targets": [CLASSES], **beside}


PIXELS = row(minimum=0.0, maximum=1.0, mean=0.13, spread=0.31, low=0.0, high=1.0)
RAW = row(minimum=0.0, maximum=255.0, mean=33.0, spread=78.0, low=0.0, high=255.0)
TWICE = row(minimum=0.0, maximum=1 / 255, mean=0.13 / 255, spread=0.31 / 255, low=0.0, high=1 / 255)


class TestValidationShift:
    rule = ValidationShift()
    worse: ClassVar = {"validation_loss": [3.0] * 20}

    @pytest.mark.parametrize(("first", "second"), [(PIXELS, RAW), (RAW, PIXELS), (PIXELS, TWICE)])
    def test_scaled_on_one_side_only_is_certain(self, first, second):
        facts = data(first, validation=validation(second))
        finding = ask(self.rule, before(facts))
        assert finding.verdict is CONCERN and "a factor of 25" in finding.message
        assert verdict(self.rule, run(facts, ends=self.worse)) is CONCERN
        assert (
            verdict(self.rule, run(facts, ends={"validation_loss": np.linspace(0.7, 0.3, 20)})) is UNASSESSED
        )
        beside = {
            "validation_loss": np.linspace(0.9, 0.6, 20)
        }  # better than a constant, far from the training
        assert verdict(self.rule, run(facts, ends=beside)) is CONCERN

    def test_a_few_outliers_are_no_other_scale(self):
        wild = row(maximum=1e6, spread=3e3)  # the quantiles are where they were
        assert verdict(self.rule, before(data(validation=validation(wild)))) is not CONCERN
        zeros = row(low=0.0, high=0.0, spread=1e-3)
        assert verdict(self.rule, before(data(validation=validation(zeros)))) is not CONCERN

    def test_classes_that_no_training_target_has(self):
        facts = data(validation=validation(unseen_classes=1, unseen_examples=1.0, shift=0.99))
        finding = ask(self.rule, before(facts))
        assert finding.verdict is CONCERN and "100 %" in finding.message
        rare = data(validation=validation(unseen_classes=3, unseen_examples=0.01, shift=0.5))
        assert verdict(self.rule, before(rare)) is SATISFACTORY

    def test_shifted_inputs_count_beside_the_curves_only(self):
        facts = data(validation=validation(shift=0.97))
        assert verdict(self.rule, run(facts, ends=self.worse)) is CONCERN
        assert verdict(self.rule, before(facts)) is UNASSESSED
        late = {"validation_loss": [0.6, *[3.0] * 19]}  # overfitting, not another kind of data
        assert verdict(self.rule, run(facts, ends=late)) is UNASSESSED
        assert verdict(self.rule, run(facts, flat(0.7), ends={"validation_loss": [0.75] * 20})) is UNASSESSED
        assert verdict(self.rule, run(facts, ends=self.worse, constant=None)) is UNASSESSED
        assert verdict(self.rule, run(facts, ends={"validation_loss": [3.0]})) is UNASSESSED

    def test_another_spread_about_the_same_mean(self):
        facts = data(validation=validation(row(spread=10.0, low=-23.0, high=23.0), shift=0.5))
        finding = ask(self.rule, run(facts, ends=self.worse))
        assert finding.verdict is CONCERN and "factor of 10" in finding.message

    def test_alike(self):
        facts = data(validation=validation(shift=0.52))
        assert verdict(self.rule, run(facts, ends=self.worse)) is SATISFACTORY
        assert verdict(self.rule, before(data())) is UNASSESSED
        assert verdict(self.rule, before(data(validation=validation(row(spread=1.1))))) is SATISFACTORY

    @pytest.mark.parametrize(
        ("accuracy", "shift", "found"),
        [(0.7, 0.9, CONCERN), (0.7, 0.6, SATISFACTORY), (0.92, 0.9, UNASSESSED)],
    )
    def test_an_accuracy_that_validation_does_not_reach(self, accuracy, shift, found):
        """Codes of categories that were numbered anew for the validation data."""
        facts = data(validation=validation(shift=shift))
        ends = {"validation_accuracy": [0.8, *[accuracy] * 19], "epoch_accuracy": np.linspace(0.6, 0.95, 20)}
        assert verdict(self.rule, run(facts, ends=ends)) is found

    @pytest.mark.parametrize(
        ("shuffle", "changed", "found"),
        [
            (None, {"order": {"batches": 32, "one_class": 0.97, "neighbours": 0.998}}, UNASSESSED),
            (
                True,
                {"order": {"batches": 32, "one_class": 0.97, "neighbours": 0.998}},
                CONCERN,
            ),  # spread evenly
            (None, {"order": {"batches": 32, "one_class": 0.0, "neighbours": 0.02}}, CONCERN),
            (None, {"targets": {**CLASSES, "class_counts": None, "classes": 1}}, UNASSESSED),
            (True, {"duplicates": {"examples": 0.99, "group": 9.4}}, UNASSESSED),
            (True, {"duplicates": {"examples": 0.3, "group": 2.0}}, CONCERN),
        ],
    )
    def test_a_sample_that_does_not_stand_for_the_training_data(self, shuffle, changed, found):
        """The first of a pipeline of one class after the other; windows that slide by one."""
        held = {**validation(shift=0.9), "targets": [CLASSES]}
        ends = {"validation_accuracy": [0.7] * 20, "epoch_accuracy": [0.95] * 20}
        fit = {"batch_size": 32, "shuffle": shuffle}
        assert verdict(self.rule, run(data(validation=held, **changed), ends=ends, fit=fit)) is found

    anew: ClassVar = {"within": 0.9, "across": 0.55, "own": 0.88, "error": 0.03, "chance": 0.5}

    def test_what_holds_in_training_does_not_hold_in_validation(self):
        facts = data(validation=validation(transfer=self.anew, shift=0.55))
        finding = ask(self.rule, before(facts))
        assert finding.verdict is CONCERN and "90 % on the others and of 55 %" in finding.message
        assert finding.remedies[0].action.startswith("Fit vocabulary, encoder and scaler")
        assert verdict(self.rule, run(facts, ends=self.worse)) is CONCERN
        well = {"validation_loss": np.linspace(0.7, 0.3, 20)}
        assert verdict(self.rule, run(facts, ends=well)) is UNASSESSED

    @pytest.mark.parametrize(
        ("changed", "shift", "found"),
        [
            ({"across": 0.59}, 0.55, CONCERN),
            ({"across": 0.60}, 0.55, SATISFACTORY),  # of 38 points beyond chance 10 are left
            ({"own": 0.62}, 0.55, SATISFACTORY),  # nothing tells validation examples: hard, or wrong labels
            ({"within": 0.62}, 0.55, SATISFACTORY),
            ({"error": 0.065}, 0.55, CONCERN),
            ({"error": 0.067}, 0.55, SATISFACTORY),  # few examples
            ({"chance": 0.1}, 0.55, SATISFACTORY),
            ({"across": "none"}, 0.55, SATISFACTORY),
            ({}, 0.69, CONCERN),
            ({}, 0.71, SATISFACTORY),  # other inputs: another time, another group
        ],
    )
    def test_how_much_is_lost_and_of_what(self, changed, shift, found):
        facts = data(validation=validation(transfer=self.anew | changed, shift=shift))
        assert verdict(self.rule, before(facts)) is found

    def test_copies_that_a_simple_rule_knows_by_heart(self):
        facts = data(
            validation=validation(transfer=self.anew, shift=0.55), duplicates={"examples": 0.6, "group": 2.0}
        )
        assert verdict(self.rule, before(facts)) is not CONCERN

    def test_a_simple_rule_alone(self):
        held = {"examples": 1000, "transfer": self.anew | {"across": 0.88}}
        assert verdict(self.rule, before(data(validation=held))) is UNASSESSED

    def test_a_gap_of_a_small_validation_set_is_chance(self):
        ends = {"validation_accuracy": [0.85] * 20, "epoch_accuracy": [0.95] * 20}
        few, many = ({**validation(shift=0.9), "examples": n} for n in (50, 1000))
        assert verdict(self.rule, run(data(validation=few), ends=ends)) is UNASSESSED
        assert verdict(self.rule, run(data(validation=many), ends=ends)) is CONCERN

    def test_augmented_training_inputs(self):
        """Training inputs are noisier than those of validation, and the validation loss lower."""
        facts = data(validation=validation(shift=0.95))
        assert verdict(self.rule, run(facts, ends={"validation_loss": [0.15] * 20})) is UNASSESSED


class TestLeakage:
    rule = Leakage()

    def at(self, overlap: float, **duplicates: float) -> Record:
        known = {"examples": 0.0, "whole": 0.0, "finest": 0.2, **duplicates}
        return before(data(validation=validation(overlap=overlap), duplicates=known))

    def test_a_share_among_examples_that_never_repeat(self):
        finding = ask(self.rule, self.at(0.4))
        assert finding.verdict is CONCERN and "40 %" in finding.message
        assert verdict(self.rule, self.at(1.0)) is CONCERN
        assert verdict(self.rule, self.at(0.0)) is SATISFACTORY
        assert verdict(self.rule, self.at(0.05)) is SATISFACTORY

    def test_repeats_at_the_rate_of_a_random_split(self):
        """Short messages, of which every tenth occurs twice; only so many more are a leak."""
        assert verdict(self.rule, self.at(0.103, whole=0.0996, finest=0.98)) is SATISFACTORY
        assert verdict(self.rule, self.at(0.103, whole=0.0996, near=0.0)) is SATISFACTORY
        assert verdict(self.rule, self.at(0.19, whole=0.0996, finest=0.98)) is SATISFACTORY
        assert verdict(self.rule, self.at(0.21, whole=0.0996, finest=0.98)) is CONCERN

    def test_copies_of_continuous_examples(self):
        """Oversampled before the split: everything has a twin, and none by accident."""
        assert verdict(self.rule, self.at(0.9, whole=0.95, finest=0.98)) is CONCERN

    def test_copies_on_one_side_are_dropped_before_a_new_split(self):
        drop, split = "Drop repeated examples", "Split without overlap"
        for within, first in ((0.95, drop), (0.3, drop), (0.2, split), (0.0, split)):
            finding = ask(self.rule, self.at(0.9, whole=within, finest=0.98))
            assert finding.remedies[0].action.startswith(first)

    def test_copies_of_examples_that_nearly_agree_with_none(self):
        """Whole numbers in every column, and images: no two rows are alike by accident."""
        assert verdict(self.rule, self.at(0.9, whole=0.95, near=0.0)) is CONCERN
        assert verdict(self.rule, self.at(0.9, whole=0.95, near=0.2)) is SATISFACTORY

    def test_continuous_examples_that_repeat_of_themselves(self):
        """Measurements rounded to a few digits, a quarter of which occur twice."""
        assert verdict(self.rule, self.at(0.25, whole=0.25, finest=0.95)) is SATISFACTORY
        assert verdict(self.rule, self.at(0.25, whole=0.02, finest=0.95)) is CONCERN

    def test_categories_repeat_by_nature(self):
        finding = ask(self.rule, self.at(0.97, examples=0.3, whole=0.98, finest=0.01))
        assert finding.verdict is SATISFACTORY and "98 %" in finding.message
        assert verdict(self.rule, self.at(0.12, whole=0.1)) is SATISFACTORY

    def test_what_is_not_known(self):
        assert verdict(self.rule, before(data(validation=validation()))) is UNASSESSED
        unknown = before(data(validation=validation(overlap=0.5), duplicates=None))
        assert verdict(self.rule, unknown) is UNASSESSED
        assert verdict(self.rule, before(data(validation=validation(overlap="half")))) is UNASSESSED


class TestSortedBatches:
    rule = SortedBatches()
    sorted: ClassVar = {"batches": 32, "one_class": 0.94, "neighbours": 0.998}
    off: ClassVar = {"batch_size": 32, "shuffle": False}
    pipeline: ClassVar = {"batch_size": 32, "shuffle": None}

    def test_found_before_the_first_step(self):
        finding = ask(self.rule, before(data(order=self.sorted), fit=self.off))
        assert finding.verdict is CONCERN and "94 %" in finding.message
        assert finding.remedies[0].code == "model.fit(x, y, shuffle=True)"
        finding = ask(self.rule, before(data(order=self.sorted), fit=self.pipeline))
        assert finding.verdict is CONCERN and "dataset.shuffle" in finding.remedies[0].code

    def test_shuffled(self):
        assert verdict(self.rule, before(data(order=self.sorted))) is SATISFACTORY
        batchwise = {"batch_size": 32, "shuffle": "batch"}
        assert verdict(self.rule, before(data(order=self.sorted), fit=batchwise)) is CONCERN
        once = ask(self.rule, before(data(order=self.sorted), fit={"batch_size": 32, "shuffle": "once"}))
        assert (once.verdict, once.message) == (SATISFACTORY, "The examples were shuffled once.")

    def test_in_random_order(self):
        mixed = {"batches": 32, "one_class": 0.0, "neighbours": 0.01}
        assert verdict(self.rule, before(data(order=mixed), fit=self.off)) is SATISFACTORY

    def test_one_class_batches_of_rare_events(self):
        """One example in a thousand is of the other class: most batches hold one class in any order."""
        rare = {**CLASSES, "class_counts": [1023, 1]}
        order = {"batches": 32, "one_class": 0.97, "neighbours": 0.0}
        assert verdict(self.rule, before(data(order=order, targets=rare), fit=self.off)) is SATISFACTORY
        order["neighbours"] = 0.9
        assert verdict(self.rule, before(data(order=order, targets=rare), fit=self.off)) is SATISFACTORY

    @pytest.mark.parametrize("fit", [{"batch_size": 1, "shuffle": False}, {"shuffle": False}])
    def test_tiny_batches_are_not_judged(self, fit):
        assert verdict(self.rule, before(data(order=self.sorted), fit=fit)) is UNASSESSED

    def test_few_batches_are_not_judged(self):
        assert (
            verdict(self.rule, before(data(order={**self.sorted, "batches": 3}), fit=self.off)) is UNASSESSED
        )

    def test_withdrawn_where_the_network_learned_the_classes_all_the_same(self):
        facts = data(order=self.sorted, linear={"accuracy": 0.85})
        assert verdict(self.rule, run(facts, ends={"probe_accuracy": [0.97]}, fit=self.off)) is SATISFACTORY
        assert verdict(self.rule, run(facts, ends={"probe_accuracy": [0.5]}, fit=self.off)) is CONCERN
        finding = ask(self.rule, run(facts, ends={"probe_accuracy": [0.93]}, fit=self.off))
        assert finding.verdict is CONCERN and "ended at 93 %" in finding.message
        # A minority of the batches: a linear model is measure enough.
        some = data(order={**self.sorted, "one_class": 0.4}, linear={"accuracy": 0.85})
        assert verdict(self.rule, run(some, ends={"probe_accuracy": [0.93]}, fit=self.off)) is SATISFACTORY
        assert verdict(self.rule, run(facts, fit=self.off)) is CONCERN

    def test_a_kernel_method_is_the_measure_where_no_linear_model_is(self):
        facts = data(order=self.sorted, signal={"score": 0.9, "p": 0.01})
        assert verdict(self.rule, run(facts, ends={"probe_accuracy": [0.97]}, fit=self.off)) is SATISFACTORY
        assert verdict(self.rule, run(facts, ends={"probe_accuracy": [0.7]}, fit=self.off)) is CONCERN
        curved = data(order=self.sorted, signal={"score": 0.9, "p": 0.01}, linear={"accuracy": 0.6})
        assert verdict(self.rule, run(curved, ends={"probe_accuracy": [0.7]}, fit=self.off)) is CONCERN

    def test_numbers_that_a_kernel_method_tells_better(self):
        order = {"batches": 32, "neighbours": 0.999}
        facts = data(order=order, targets=NUMBERS, signal={"score": 0.9, "p": 0.01})
        for reached, expected in ((0.5, CONCERN), (0.88, UNASSESSED)):
            ends = {"probe_explained_variance": [reached]}
            assert verdict(self.rule, run(facts, ends=ends, fit=self.off, constant=1.0)) is expected

    forgetful: ClassVar = {"epoch_loss": [0.5] * 20, "probe_loss": [0.9], "probe_training_loss": [0.9]}

    def test_what_was_forgotten_though_the_classes_are_told(self):
        facts = data(order=self.sorted, linear={"accuracy": 0.85})
        ends = {"probe_accuracy": [0.93], **self.forgetful}
        finding = ask(self.rule, run(facts, ends=ends, fit=self.off))
        assert finding.verdict is CONCERN and "was 0.5 as they passed, and 0.9" in finding.message

    @pytest.mark.parametrize(
        "ends",
        [
            {"epoch_loss": [0.7] * 20},
            {"epoch_loss": [0.01] * 20, "probe_loss": [0.03]},
            {"probe_training_loss": [0.45]},  # moving averages that lag
            {"epoch_loss": [0.5] * 2},
        ],
    )
    def test_what_was_not_forgotten(self, ends):
        facts = data(order={"batches": 32, "neighbours": 0.999}, targets=NUMBERS)
        whole = falling()[: 50 * len(ends.get("epoch_loss", [0] * 20))]
        record = run(facts, whole, ends=self.forgetful | ends, fit=self.off)
        assert verdict(self.rule, record) is UNASSESSED
        record = run(facts, ends=self.forgetful, fit=self.off)
        assert verdict(self.rule, record) is CONCERN
        assert verdict(self.rule, run(facts, ends=self.forgetful, fit=self.pipeline)) is UNASSESSED

    def test_a_pipeline_whose_first_thousand_are_all_of_one_class(self):
        order = {"batches": 32, "one_class": 1.0}
        one = {**CLASSES, "class_counts": [1024]}
        ten = {"output_shape": [10]}
        facts = data(order=order, targets=one)
        loss = "sparse_categorical_crossentropy"
        assert verdict(self.rule, before(facts, fit=self.pipeline, model=ten, loss=loss)) is CONCERN
        assert verdict(self.rule, before(facts, fit=self.pipeline, loss=loss)) is UNASSESSED
        assert verdict(self.rule, before(facts, fit=self.pipeline, model=ten, loss="own")) is UNASSESSED

    def test_numbers_count_beside_a_failure_only(self):
        facts = data(order={"batches": 32, "neighbours": 0.999}, targets=NUMBERS)
        assert verdict(self.rule, run(facts, flat(2.0), fit=self.off, constant=1.0)) is CONCERN
        assert verdict(self.rule, run(facts, fit=self.off, constant=1.0)) is UNASSESSED  # a time series
        assert verdict(self.rule, before(facts, fit=self.off)) is UNASSESSED
        loose = data(order={"batches": 32, "neighbours": 0.5}, targets=NUMBERS)
        assert verdict(self.rule, run(loose, flat(2.0), fit=self.off, constant=1.0)) is SATISFACTORY

    def test_unknown(self):
        assert verdict(self.rule, before(data(), fit=self.off)) is UNASSESSED
