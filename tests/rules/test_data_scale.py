"""D001 to D005: what the values and the columns of the data say."""

from typing import Any, ClassVar

import numpy as np
import pytest

from thalweg import Record, Verdict
from thalweg.rules.collinear import Collinear
from thalweg.rules.idle_columns import IdleColumns
from thalweg.rules.input_scale import InputScale
from thalweg.rules.nonfinite_data import NonFiniteData
from thalweg.rules.target_scale import TargetScale

from .examples import CLASSES, NUMBERS, ask, before, data, falling, flat, row, run, verdict

CONCERN, SATISFACTORY, UNASSESSED = Verdict.CONCERN, Verdict.SATISFACTORY, Verdict.UNASSESSED
BURST = np.concatenate([falling()[:300], [np.nan] * 50])
REGRESSION = {"loss": "mse", "constant": 1.0}


class TestNonFiniteData:
    rule = NonFiniteData()
    broken = row(nonfinite_examples=3, looked=60_000, first_nonfinite=2001)

    def test_found_before_the_first_step(self):
        finding = ask(self.rule, before(data(self.broken)))
        assert finding.verdict is CONCERN
        assert (
            finding.message
            == "Of 60,000 examples 3 held NaN or infinity in input `x`, the first of them at index 2,001."
        )

    def test_found_in_targets_and_in_validation_data(self):
        assert (
            verdict(self.rule, before(data(targets={**NUMBERS, "nonfinite_examples": 1, "looked": 9})))
            is CONCERN
        )
        beside = {"inputs": [row()], "targets": [{"name": "y", "nonfinite_examples": 2, "looked": 9}]}
        finding = ask(self.rule, before(data(validation=beside)))
        assert finding.verdict is CONCERN and "validation target `y`" in finding.message

    def test_a_sample_is_enough(self):
        assert verdict(self.rule, before(data(row(nonfinite=7)))) is CONCERN

    def test_confirmed_or_withdrawn_by_the_loss(self):
        assert verdict(self.rule, run(data(self.broken), BURST)) is CONCERN
        assert verdict(self.rule, run(data(self.broken))) is SATISFACTORY
        assert verdict(self.rule, run(data(self.broken), falling()[:30])) is CONCERN  # no epoch has ended

    @pytest.mark.parametrize(
        "ends", [{"nonfinite_gradients": [0.0] * 19 + [3.0]}, {"validation_loss": [0.5] * 19 + [np.nan]}]
    )
    def test_a_finite_loss_is_no_excuse_for_what_was_not_finite(self, ends):
        assert verdict(self.rule, run(data(self.broken), ends=ends)) is CONCERN
        unharmed = {name: [0.0] * len(values) for name, values in ends.items()}
        assert verdict(self.rule, run(data(self.broken), ends=unharmed)) is SATISFACTORY

    def test_a_loss_that_did_not_fall_is_no_excuse(self):
        assert verdict(self.rule, run(data(self.broken), flat())) is CONCERN

    def test_validation_is_judged_by_its_own_loss(self):
        beside = {"inputs": [self.broken], "targets": []}
        assert (
            verdict(self.rule, run(data(validation=beside), ends={"validation_loss": [np.nan] * 20}))
            is CONCERN
        )
        assert (
            verdict(self.rule, run(data(validation=beside), ends={"validation_loss": [0.5] * 20}))
            is SATISFACTORY
        )

    def test_a_loss_of_ones_own_may_mask_targets(self):
        facts = data(targets={**NUMBERS, "nonfinite_examples": 400, "looked": 1024})
        own = [{"name": "masked", "own": True}]
        assert verdict(self.rule, before(facts, losses=own)) is UNASSESSED
        assert verdict(self.rule, before(data(self.broken), losses=own)) is CONCERN
        assert verdict(self.rule, run(facts, BURST, losses=own)) is CONCERN

    def test_finite_and_unknown(self):
        assert verdict(self.rule, before(data())) is SATISFACTORY
        assert verdict(self.rule, before({"inputs": [{"nonfinite": "many"}]})) is UNASSESSED


WILD_INPUTS = {
    "pixels": row(minimum=0.0, maximum=255.0, mean=33.0, spread=78.0),
    "tiny": row(minimum=0.0, maximum=1 / 255, mean=0.0005, spread=0.001),
    "far from zero": row(minimum=0.97, maximum=1.03, mean=1.0, spread=0.01),
    "one wide column": row(spread=5.0, column_spread={"minimum": 0.9, "median": 1.0, "maximum": 400.0}),
    "one narrow column": row(column_spread={"minimum": 0.0005, "median": 1.0, "maximum": 1.1}),
}


def underway(inputs: dict[str, Any], first: float) -> Record:
    """A run that began at this loss and is behind a linear model, its loss still falling."""
    contract = {"recomputed_loss": first, "constant_prediction_loss": 0.6931}
    facts = data(inputs, linear={"accuracy": 0.93})
    return run(facts, np.linspace(0.7, 0.5, 1000), ends={"probe_accuracy": [0.7]}, contract=contract)


class TestInputScale:
    rule = InputScale()

    @pytest.mark.parametrize("inputs", WILD_INPUTS.values(), ids=WILD_INPUTS)
    def test_counts_beside_a_failure_only(self, inputs):
        assert verdict(self.rule, run(data(inputs), flat())) is CONCERN
        assert verdict(self.rule, run(data(inputs), BURST)) is CONCERN
        assert verdict(self.rule, run(data(inputs))) is SATISFACTORY
        assert verdict(self.rule, before(data(inputs))) is UNASSESSED

    def test_ordinary_inputs_are_no_cause_of_a_failure(self):
        for inputs in (
            row(),
            row(
                minimum=0.0,
                maximum=1.0,
                mean=0.13,
                spread=0.31,
                columns=784,
                column_spread=_spreads(1e-4, 0.2, 0.45),
            ),
            row(
                minimum=0.0,
                maximum=1.0,
                mean=0.01,
                spread=0.1,
                columns=500,
                column_spread=_spreads(0.03, 0.1, 0.3),
            ),
            row(
                minimum=0.0,
                maximum=16.0,
                mean=4.9,
                spread=6.0,
                columns=64,
                column_spread=_spreads(0.03, 4.5, 6.5),
            ),
        ):
            assert verdict(self.rule, run(data(inputs), flat())) is SATISFACTORY

    def test_worse_than_a_linear_model_on_standardised_inputs(self):
        facts = data(WILD_INPUTS["pixels"], linear={"accuracy": 0.93})
        levelled = np.concatenate([np.linspace(0.7, 0.5, 400), flat(0.5)[:600]])
        finding = ask(self.rule, run(facts, levelled, ends={"probe_accuracy": [0.7]}))
        assert finding.verdict is CONCERN and "linear model" in finding.message
        assert verdict(self.rule, run(facts, levelled, ends={"probe_accuracy": [0.92]})) is SATISFACTORY

    def test_a_first_loss_far_too_high_that_was_not_made_up_for(self):
        assert verdict(self.rule, underway(WILD_INPUTS["pixels"], 31.0)) is CONCERN
        assert verdict(self.rule, underway(WILD_INPUTS["pixels"], 0.7)) is SATISFACTORY

    def test_a_first_layer_that_is_off(self):
        facts = data(WILD_INPUTS["pixels"])
        short = falling()[:40]  # too short for progress
        dead = {"dead_fraction/dense": [0.95], "dead_fraction/dense_1": [0.1]}
        assert (
            verdict(self.rule, run(facts, np.resize(short, 60), ends=dead, constant=None)) is not SATISFACTORY
        )
        stuck = run(facts, _unclear(), ends={"saturated_fraction/dense": [0.95]})
        finding = ask(self.rule, stuck)
        assert finding.verdict is CONCERN and "saturated" in finding.message
        assert (
            verdict(self.rule, run(facts, _unclear(), ends={"saturated_fraction/dense": [0.3]})) is UNASSESSED
        )
        assert verdict(self.rule, run(facts, ends=dead)) is SATISFACTORY

    @pytest.mark.parametrize(
        ("layers", "expected"),
        [
            ([{"class": "Normalization"}, {"class": "Dense"}], SATISFACTORY),
            ([{"class": "Flatten"}, {"class": "Rescaling"}, {"class": "Dense"}], SATISFACTORY),
            ([{"class": "Reshape"}, {"class": "BatchNormalization"}], SATISFACTORY),
            ([{"class": "Embedding"}, {"class": "LSTM"}], SATISFACTORY),
            ([{"class": "Conv2D", "trainable": False}, {"class": "Dense", "trainable": True}], UNASSESSED),
            ([{"class": "Dense", "trainable": True}, {"class": "BatchNormalization"}], CONCERN),
        ],
    )
    def test_models_that_take_any_scale(self, layers, expected):
        assert verdict(self.rule, run(data(WILD_INPUTS["pixels"]), flat(), layers=layers)) is expected

    @pytest.mark.parametrize("inputs", WILD_INPUTS.values(), ids=WILD_INPUTS)
    def test_a_normalization_layer_that_changes_nothing_is_a_broken_promise(self, inputs):
        idle = {"name": "norm", "class": "Normalization", "identity": True, "inputs": ["flat"]}
        flatten, dense = {"name": "flat", "class": "Flatten", "inputs": []}, {"class": "Dense"}
        for model in ([{**idle, "inputs": []}, dense], [flatten, idle, dense]):
            for record in (before(data(inputs), layers=model), run(data(inputs), layers=model)):
                finding = ask(self.rule, record)
                assert finding.verdict is CONCERN and finding.layer == "norm"
                assert finding.remedies[0].code == "normalization.adapt(x_train)"

    @pytest.mark.parametrize(
        "others",
        [
            [{"class": "Rescaling", "inputs": []}, {"inputs": ["rescaling"]}],  # EfficientNet without weights
            [{"inputs": ["log"]}],  # an operation, of which nobody knows
            [{}],  # a model of its own class
            [{"class": "Mine", "name": "mine", "inputs": []}, {"inputs": ["mine"]}],
            [{"identity": False, "inputs": []}],
            [{"inputs": []}, {"class": "BatchNormalization"}],
            [{"inputs": []}, {"class": "Conv2D", "trainable": False}],
        ],
    )
    def test_nor_is_one_that_others_stand_before_or_after(self, others):
        norm = {"name": "norm", "class": "Normalization", "identity": True}
        layers = [{**norm, **other} if "class" not in other else other for other in others]
        record = run(data(WILD_INPUTS["pixels"]), layers=[*layers, {"class": "Dense"}])
        assert verdict(self.rule, record) is not CONCERN

    def test_rescaling_only_multiplies_and_adds(self):
        """Pixels divided by 255 before the model and in it."""
        divided = row(minimum=0.0, maximum=1.0, mean=0.3, spread=0.35)
        twice = run(data(divided), flat(), layers=_scaling(scale=1 / 255))
        finding = ask(self.rule, twice)
        assert finding.verdict is CONCERN
        assert finding.message.startswith(
            "Input `x` had no value over 0.00392, where 1 is usual once layer `s` had multiplied it by 0.00392;"
        )
        assert "in `s`: leave one of the two out" in finding.remedies[0].action
        assert verdict(self.rule, run(data(divided), layers=_scaling(scale=1 / 255))) is SATISFACTORY
        assert verdict(self.rule, before(data(divided), layers=_scaling(scale=1 / 255))) is UNASSESSED
        for scale, offset in ((1.0, 0.0), (-2.0, 1.0), (1 / 255, 0.5)):
            record = run(data(divided), flat(), layers=_scaling(scale=scale, offset=offset))
            assert verdict(self.rule, record) is (CONCERN if offset == 0.5 else SATISFACTORY)

    def test_what_leaves_a_rescaling_is_judged(self):
        pixels = {**WILD_INPUTS["pixels"], "shape": [28, 28], "dtype": "uint8"}
        good = ask(self.rule, run(data(pixels), flat(), layers=_scaling(scale=1 / 127.5, offset=-1.0)))
        assert good.verdict is SATISFACTORY and "and added -1" in good.message
        larger = ask(self.rule, run(data(row()), flat(), layers=_scaling(scale=-255.0)))
        assert larger.verdict is CONCERN and "multiplied it by -255" in larger.message
        raw = ask(self.rule, run(data(pixels), flat(), layers=_scaling(scale=1.0)))
        assert "Normalization" in raw.remedies[0].code
        wide = row(columns=10, column_spread=_spreads(0.9, 1.0, 200.0))
        assert verdict(self.rule, run(data(wide), flat(), layers=_scaling(scale=0.5))) is CONCERN
        offset = row(minimum=1.0, maximum=3.0, mean=2.0, spread=0.5)
        assert (
            verdict(self.rule, run(data(offset), flat(), layers=_scaling(scale=1.0, offset=9.0))) is CONCERN
        )
        low = run(data(row(minimum=-5.0, maximum=0.0)), flat(), layers=_scaling(scale=-0.001))
        assert verdict(self.rule, low) is CONCERN

    def test_several_rescalings_are_one(self):
        parts = [
            _part("s", "Rescaling", scale=1 / 255, offset=1.0),
            _part("flip", "RandomFlip"),
            _part("norm", "Normalization", identity=True),
            _part("t", "Rescaling", scale=255.0, offset=-255.0),
            _part("dense", "Dense"),
        ]
        assert verdict(self.rule, run(data(row()), flat(), layers=_row(*parts))) is SATISFACTORY
        finding = ask(self.rule, run(data(row()), flat(), layers=_row(*parts[:3], parts[4])))
        assert finding.verdict is CONCERN and "layer `s`" in finding.message  # 1 plus or minus 0.004
        twice = [parts[0], {**parts[3], "scale": 1.0, "offset": 0.0}, parts[4]]
        assert "layer `s`" in ask(self.rule, run(data(row()), flat(), layers=_row(*twice))).message

    @pytest.mark.parametrize(
        "parts",
        [
            [("s", "Rescaling", {}), ("dense", "Dense", {})],  # one scale for each channel
            [("s", "Rescaling", {"scale": 1 / 255}), ("n", "BatchNormalization", {}), ("dense", "Dense", {})],
            [("s", "Rescaling", {"scale": 1 / 255}), ("dense", "Dense", {}), ("n", "Normalization", {})],
            [("dense", "Dense", {}), ("s", "Rescaling", {"scale": 1 / 255})],
            [("s", "Rescaling", {"scale": 0.0}), ("dense", "Dense", {})],
            [("s", "Rescaling", {"scale": 1.0, "offset": np.inf}), ("dense", "Dense", {})],
            [("s", "Rescaling", {"scale": 1.0, "offset": None}), ("dense", "Dense", {})],
            [("s", "Rescaling", {"scale": 1 / 255}), ("dense", "Dense", {"inputs": []})],  # two ways in
            [("s", "Rescaling", {"scale": 1 / 255}), ("a", "Add", {"inputs": ["s", "other"]})],
            [  # another way in, further up
                ("s", "Rescaling", {"scale": 1 / 255}),
                ("d", "Dense", {}),
                ("raw", "Dense", {"inputs": []}),
                ("a", "Add", {"inputs": ["d", "raw"]}),
            ],
            [  # no graph at all, but a circle
                ("s", "Rescaling", {"scale": 1 / 255}),
                ("f", "Flatten", {"inputs": ["s", "g"]}),
                ("g", "Flatten", {}),
            ],
            [("s", "Rescaling", {"scale": 1 / 255}), ("d", "Dense", {}), ("e", "Dense", {"inputs": ["s"]})],
        ],
    )
    def test_a_rescaling_of_which_not_all_is_known(self, parts):
        made = [_part(name, kind, **{"offset": 0.0, **more}) for name, kind, more in parts]
        if any("other" in part.get("inputs", ()) for part in made):
            made[1:1] = [_part("other", "Conv2D")]
        record = run(data(row(minimum=0.0, maximum=1.0, mean=0.3, spread=0.35)), flat(), layers=_row(*made))
        assert "any scale" in ask(self.rule, record).message

    def test_of_several_inputs_a_rescaling_may_scale_one(self):
        small = row(minimum=0.0, maximum=0.001, mean=0.0005, spread=0.0003)
        record = run(data(small, row()), flat(), layers=_scaling(scale=1.0))
        assert verdict(self.rule, record) is SATISFACTORY

    def test_inputs_rescaled_for_frozen_weights(self):
        frozen = _row(
            _part("s", "Rescaling", scale=1.0, offset=0.0),
            _part("base", "Conv2D", trainable=False),
            _part("head", "Dense", trainable=True),
        )
        assert verdict(self.rule, run(data(WILD_INPUTS["pixels"]), flat(), layers=frozen)) is UNASSESSED

    def test_nor_with_inputs_of_mean_nought_or_with_several(self):
        layers = [{"name": "norm", "class": "Normalization", "identity": True, "inputs": []}]
        assert verdict(self.rule, run(data(row()), layers=layers)) is SATISFACTORY
        several = data(WILD_INPUTS["pixels"], row())
        assert verdict(self.rule, run(several, layers=layers)) is SATISFACTORY

    def test_targets_that_cannot_be_foretold_are_another_cause(self):
        facts = data(WILD_INPUTS["pixels"], signal={"p": 0.6, "score": 0.5, "chance": 0.5})
        assert verdict(self.rule, run(facts, flat())) is UNASSESSED

    def test_remedies_fit_the_data(self):
        def first(inputs: dict[str, Any]) -> str:
            return ask(self.rule, run(data(inputs), flat())).remedies[0].code

        assert "Normalization" in first(WILD_INPUTS["one wide column"])
        assert "Rescaling" in first(row(**{**WILD_INPUTS["pixels"], "shape": [28, 28], "dtype": "uint8"}))


def _spreads(minimum: float, median: float, maximum: float) -> dict[str, float]:
    return {"minimum": minimum, "median": median, "maximum": maximum}


def _part(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "class": kind, **more}


def _row(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Layers each of which takes its input from the one before, unless it says otherwise."""
    return [{"inputs": [parts[i - 1]["name"]] if i else [], **part} for i, part in enumerate(parts)]


def _scaling(**numbers: float) -> list[dict[str, Any]]:
    return _row(
        _part("s", "Rescaling", **{"offset": 0.0, **numbers}), _part("dense", "Dense", trainable=True)
    )


def _unclear() -> np.ndarray:
    """Losses whose progress cannot be told."""
    return 0.6931 * (0.99 + 0.3 * np.random.default_rng(0).standard_normal(200))


class TestTargetScale:
    rule = TargetScale()
    prices: ClassVar = {**NUMBERS, "minimum": 2e4, "maximum": 5e5, "mean": 2e5, "spread": 8e4}
    tiny: ClassVar = {**NUMBERS, "minimum": -0.003, "maximum": 0.004, "mean": 1e-4, "spread": 1e-3}

    def test_outputs_that_never_reached_them(self):
        record = run(
            data(targets=self.prices),
            falling(4.4e10, 4.6e10),
            ends={"output_mean": [310.0]},
            loss="mse",
            constant=6.4e9,
        )
        finding = ask(self.rule, record)
        assert finding.verdict is CONCERN
        assert "had mean 2e+05 and standard deviation 8e+04" in finding.message and "310" in finding.message
        assert finding.remedies[0].code

    @pytest.mark.parametrize("targets", ["prices", "tiny"])
    def test_counts_beside_a_failure_only(self, targets):
        wild = getattr(self, targets)
        facts, ends = data(targets=wild), {"output_mean": [wild["mean"]]}
        assert verdict(self.rule, run(facts, flat(2.0), ends=ends, **REGRESSION)) is CONCERN
        assert verdict(self.rule, run(facts, BURST, ends=ends, **REGRESSION)) is CONCERN
        assert verdict(self.rule, run(facts, falling(0.1, 1.2), ends=ends, **REGRESSION)) is SATISFACTORY
        assert verdict(self.rule, before(facts, loss="mse")) is UNASSESSED

    def test_ordinary_targets_are_no_cause(self):
        assert verdict(self.rule, run(data(targets=NUMBERS), flat(2.0), **REGRESSION)) is SATISFACTORY

    def test_the_mean_of_the_outputs_at_the_start_says_nothing(self):
        facts = data(targets=self.prices)
        record = run(facts, falling(0.1, 1.2), ends={"output_mean": [2.1e5]}, **REGRESSION)
        assert verdict(self.rule, record) is SATISFACTORY

    def test_classes_are_not_judged(self):
        assert verdict(self.rule, run(data(), flat())) is UNASSESSED
        many = {**CLASSES, "maximum": 900, "mean": 450.0, "spread": 200.0}
        assert (
            verdict(self.rule, run(data(targets=many), flat(), loss="sparse_categorical_crossentropy"))
            is UNASSESSED
        )
        assert (
            verdict(self.rule, run(data(targets=self.prices), flat(), loss="binary_crossentropy"))
            is UNASSESSED
        )

    def test_numbers_that_the_loss_takes_as_probabilities_are_called_no_classes(self):
        finding = ask(self.rule, run(data(targets=self.prices), flat(), loss="binary_crossentropy"))
        assert finding.message == "Not assessed: the loss takes the targets as probabilities."

    def heads(
        self,
        price: float = 6.7e4,
        price_loss: float = 3e10,
        sea_loss: float = 1.8,
        weighted: bool = False,
        layers: tuple[str, str] = ("price", "sea"),
    ):
        """A price in dollars beside a yes or no."""
        sea = {
            "name": "sea",
            "kind": "continuous",
            "minimum": 0.0,
            "maximum": 1.0,
            "mean": 0.66,
            "spread": 0.47,
        }
        facts = {**data(), "targets": [{**self.prices, "name": "price"}, {**sea, "whole": True}]}
        ends = {
            f"output_mean/{layers[0]}": [price],
            f"output_mean/{layers[1]}": [0.66],
            "epoch_price_loss": [price_loss],
            "epoch_sea_loss": [sea_loss],
        }
        names = ("mean_squared_error", "binary_crossentropy")
        asked = {"price": "mse", "sea": "binary_crossentropy"}
        known = {"loss": asked, "losses": [{"name": name, "weighted": weighted} for name in names]}
        return run(facts, falling(price_loss, 2.0 * price_loss), ends=ends, constant=None, **known)

    def test_of_several_outputs_the_one_of_numbers_is_judged(self):
        finding = ask(self.rule, self.heads(price=310.0, sea_loss=0.3))
        assert finding.verdict is CONCERN and "310" in finding.message and "`sea`" not in finding.message
        assert verdict(self.rule, self.heads(price=2e5, sea_loss=0.3)) is SATISFACTORY

    def test_an_output_that_drowned_in_the_loss_of_another(self):
        finding = ask(self.rule, self.heads(price=2e5))
        assert finding.verdict is CONCERN
        assert "that of `sea` at 1.8, where a constant prediction has 0.641" in finding.message
        assert verdict(self.rule, self.heads(price=2e5, price_loss=50.0)) is SATISFACTORY
        assert verdict(self.rule, self.heads(price=2e5, weighted=True)) is SATISFACTORY

    def test_an_output_that_drowned_is_found_where_its_layer_bears_another_name(self):
        """A model whose outputs are a dictionary logs their losses by its keys."""
        finding = ask(self.rule, self.heads(price=2e5, layers=("dense_1", "dense_2")))
        assert finding.verdict is CONCERN
        assert "the loss of output `price` ended at 3e+10 and that of `sea` at 1.8" in finding.message
        assert verdict(self.rule, self.heads(price=2e5, sea_loss=0.3, layers=("a", "b"))) is SATISFACTORY


class TestIdleColumns:
    rule = IdleColumns()
    still = row(minimum=2.0, maximum=2.0, mean=2.0, spread=0.0, constant_columns=10)

    def test_inputs_without_any_variation(self):
        assert verdict(self.rule, before(data(self.still))) is CONCERN
        columns = row(minimum=0.0, maximum=9.0, constant_columns=10)
        assert verdict(self.rule, before(data(columns))) is CONCERN
        assert verdict(self.rule, before(data(self.still, columns))) is CONCERN
        assert verdict(self.rule, run(data(self.still), flat())) is CONCERN

    def test_one_input_of_two_may_be_constant(self):
        assert verdict(self.rule, before(data(self.still, row()))) is SATISFACTORY

    def test_withdrawn_where_nothing_varies_or_the_loss_says_otherwise(self):
        assert verdict(self.rule, before(data(self.still, targets={**NUMBERS, "minimum": 3.0}))) is UNASSESSED
        assert verdict(self.rule, run(data(self.still))) is UNASSESSED
        partly = row(columns=4000, examined_columns=1024, constant_columns=1024)
        assert verdict(self.rule, before(data(partly))) is SATISFACTORY

    @pytest.mark.parametrize(
        "inputs",
        [row(constant_columns=1, constant_maximum=10_000.0), row(duplicate_columns=8)],
        ids=["huge", "copies"],
    )
    def test_counts_beside_a_failure_only(self, inputs):
        assert verdict(self.rule, run(data(inputs), flat())) is CONCERN
        assert verdict(self.rule, run(data(inputs))) is SATISFACTORY
        assert verdict(self.rule, before(data(inputs))) is UNASSESSED
        normalised = [{"class": "Normalization"}]
        assert verdict(self.rule, run(data(inputs), flat(), layers=normalised)) is UNASSESSED

    def test_a_first_loss_far_too_high_that_was_not_made_up_for(self):
        assert verdict(self.rule, underway(row(duplicate_columns=8), 31.0)) is CONCERN
        assert verdict(self.rule, underway(row(duplicate_columns=8), 0.7)) is SATISFACTORY

    def test_an_image_with_a_black_rim(self):
        rim = row(
            columns=784, examined_columns=784, constant_columns=120, duplicate_columns=4, constant_maximum=0.0
        )
        assert verdict(self.rule, run(data(rim), flat())) is SATISFACTORY
        assert (
            verdict(self.rule, run(data(row(constant_columns=1, constant_maximum=1.0)), flat()))
            is SATISFACTORY
        )


class TestCollinear:
    rule = Collinear()
    linear: ClassVar = {"explained_variance": 0.95, "descent": 0.5}
    facts = data(row(condition_number=3e6), linear=linear, targets=NUMBERS)
    crawling = np.concatenate([np.linspace(1.0, 0.4, 300), np.linspace(0.4, 0.37, 700)])

    def test_crawling_below_the_linear_model(self):
        record = run(self.facts, self.crawling, ends={"probe_explained_variance": [0.62]}, **REGRESSION)
        finding = ask(self.rule, record)
        assert finding.verdict is CONCERN and "3e+06" in finding.message
        perfectly = data(row(condition_number=np.inf), linear=self.linear, targets=NUMBERS)
        record = run(perfectly, self.crawling, ends={"probe_explained_variance": [0.62]}, **REGRESSION)
        assert verdict(self.rule, record) is CONCERN

    @pytest.mark.parametrize("descent", [0.93, None])
    def test_targets_that_lie_along_the_steep_directions(self, descent):
        """Correlated columns, and a network that failed for another reason."""
        linear = {"explained_variance": 0.95} | ({} if descent is None else {"descent": descent})
        facts = data(row(condition_number=3e6), linear=linear, targets=NUMBERS)
        record = run(facts, self.crawling, ends={"probe_explained_variance": [0.62]}, **REGRESSION)
        assert verdict(self.rule, record) is UNASSESSED

    def test_not_half_of_the_way(self):
        """Still falling as steadily as ever, and nowhere near what the columns would allow."""
        steady = np.linspace(1.0, 0.8, 1000)
        near, far = ({"probe_explained_variance": [reached]} for reached in (0.6, 0.2))
        assert verdict(self.rule, run(self.facts, steady, ends=far, **REGRESSION)) is CONCERN
        assert verdict(self.rule, run(self.facts, steady, ends=near, **REGRESSION)) is UNASSESSED

    def test_a_network_that_does_as_well(self):
        """One-hot columns add up to one: perfectly collinear, and harmless."""
        record = run(self.facts, self.crawling, ends={"probe_explained_variance": [0.94]}, **REGRESSION)
        assert verdict(self.rule, record) is UNASSESSED

    def test_a_run_that_was_merely_short(self):
        record = run(
            self.facts, np.linspace(1.0, 0.37, 1000), ends={"probe_explained_variance": [0.62]}, **REGRESSION
        )
        assert verdict(self.rule, record) is UNASSESSED

    def test_a_loss_that_never_fell_is_another_fault(self):
        assert verdict(self.rule, run(self.facts, flat(1.2), **REGRESSION)) is UNASSESSED
        assert verdict(self.rule, run(self.facts, BURST, **REGRESSION)) is UNASSESSED

    def test_scale_comes_first(self):
        wild = row(condition_number=3e6, mean=33.0, spread=78.0)
        levelled = np.concatenate([np.linspace(1.0, 0.4, 300), flat(0.4)[:700]])
        for inputs, expected in ((wild, UNASSESSED), (row(condition_number=3e6), CONCERN)):
            facts = data(inputs, linear=self.linear, targets=NUMBERS)
            record = run(facts, levelled, ends={"probe_explained_variance": [0.62]}, **REGRESSION)
            assert verdict(self.rule, record) is expected

    def test_ordinary_columns(self):
        assert verdict(self.rule, run(data(), flat())) is SATISFACTORY
        assert verdict(self.rule, run(data(row(condition_number=None)), flat())) is UNASSESSED
