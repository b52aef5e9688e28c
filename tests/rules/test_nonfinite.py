import numpy as np
import pytest

from thalweg import Record, Series, Verdict

from .runs import ask, having, healthy, series


def broken(n: int = 2000, at: int = 77) -> np.ndarray:
    loss = healthy(n).series["loss"].values.copy()
    loss[at - 1 :] = np.nan
    return loss


def test_says_how_much_it_looked_at() -> None:
    finding = ask("N001", healthy(400))
    assert finding.verdict is Verdict.SATISFACTORY
    assert finding.message == "All 400 losses, 400 gradients and 4 validation losses were finite."


def test_a_run_of_one_step_is_told_in_the_singular_and_its_loss_is_finite() -> None:
    one = Record(series={name: series(name, [1.5], [1]) for name in ("loss", "gradient_norm")}, info={})
    assert ask("N001", one).message == "The 1 loss and 1 gradient were finite."
    known = Record(series=one.series, info={"constant_prediction_loss": 1.0})
    assert ask("B001", known).message == "Not assessed: the record holds too few losses to tell, 1."


def test_loss_first() -> None:
    gradient = np.where(np.arange(1, 2001) >= 77, np.nan, 1.0)
    finding = ask(
        "N001", healthy(loss=broken(), gradient_norm=gradient, validation_loss=[1.0] + [np.nan] * 19)
    )
    assert finding.verdict is Verdict.CONCERN
    assert finding.step == 77
    assert finding.message.startswith("The loss became NaN at step 77. Before, it was typically ")
    assert finding.series[0] == "loss"


def test_gradient_first_names_the_layer_nearest_to_the_output() -> None:
    record = healthy(loss=broken(at=301))
    bad = [0, 1, 3]
    layers = []
    for i in bad:
        values = record.series[f"gradient_norm/dense_{i}/kernel"].values.copy()
        values[299:] = np.nan
        layers.append(series(f"gradient_norm/dense_{i}/kernel", values))
    counts = np.zeros(2000)
    counts[299:] = 12
    finding = ask("N001", having(record, *layers, series("nonfinite_gradients", counts)))
    assert finding.verdict is Verdict.CONCERN
    assert (finding.step, finding.layer) == (300, "dense_3")
    assert "3 of 6 tensors" in finding.message and "12 such entries" in finding.message


def test_parameter_first() -> None:
    norms = np.where(np.arange(1, 2001) >= 50, np.inf, 3.0)
    finding = ask("N001", having(healthy(loss=broken()), series("parameter_norm/dense_2/kernel", norms)))
    assert finding.step == 50
    assert finding.message.startswith("The parameters became non-finite at step 50.")


def test_input_stands_before_all() -> None:
    info = {"data": {"inputs": [{"name": "pixels", "nonfinite": 3}]}}
    finding = ask("N001", healthy(loss=broken(), info=info))
    assert "Input `pixels` held 3 non-finite values." in finding.message
    assert "rows" in finding.remedies[0].action
    finite = ask("N001", healthy(info=info))
    assert finite.verdict is Verdict.SATISFACTORY
    assert "Input `pixels` held 3 non-finite values, and the loss stayed finite." in finite.message


def test_validation_only() -> None:
    values = [1.0, 0.9, np.nan, *([0.5] * 17)]
    finding = ask("N001", healthy(validation_loss=values))
    assert finding.message.startswith("The validation loss became NaN at step 300.")


def test_overflow_of_the_norm_is_another_rule() -> None:
    norm = np.ones(2000)
    norm[99] = np.inf
    record = healthy(gradient_norm=norm)
    assert ask("N001", record).verdict is Verdict.SATISFACTORY
    finding = ask("G003", record)
    assert finding.verdict is Verdict.CONCERN
    assert finding.step == 100
    unknown = Record.of([s for s in record.series.values() if s.name != "nonfinite_gradients"], record.info)
    assert ask("N001", unknown).step == 100


def test_loss_scaling_that_never_recovers() -> None:
    scaled = {"optimizer": {"name": "loss_scale_optimizer"}}
    counts = np.zeros(2000)
    counts[500:530] = 9
    finding = ask("N001", healthy(nonfinite_gradients=counts, info=scaled))
    assert finding.verdict is Verdict.CONCERN
    assert finding.step == 501
    counts[510:512] = 0
    fine = ask("N001", healthy(nonfinite_gradients=counts, info=scaled))
    assert fine.verdict is Verdict.SATISFACTORY
    assert "skipped 28 of these steps" in fine.message


def test_the_rate_comes_first_where_the_loss_had_grown() -> None:
    """Diverging by SGD: 3e4, 1e7, 1e17, infinity. A loss that breaks out of the blue points at the data."""
    loss = np.r_[np.geomspace(3e4, 1e30, 20), np.full(80, np.inf)]
    grown = ask("N001", healthy(100, loss=loss, validation_loss=None))
    assert grown.remedies[0].action == "Divide the learning rate by 10."
    assert "Before, the loss had grown from 3e+04 to 1e+30." in grown.message
    sudden = ask("N001", healthy(loss=broken()))
    assert "rows" in sudden.remedies[0].action


@pytest.mark.parametrize(("count", "words"), [(1, "1 example with non-"), (3, "3 examples with non-")])
def test_examples_are_counted_over_all_of_the_data_where_they_are_known(count: int, words: str) -> None:
    held = {"data": {"inputs": [{"name": "x", "nonfinite": 0, "nonfinite_examples": count}]}}
    assert f"Input `x` held {words}finite values" in ask("N001", healthy(info=held)).message


@pytest.mark.parametrize(
    ("known", "first", "last"),
    [
        ({"nonfinite": 0, "nonfinite_examples": 0, "looked": 4000}, "Look for a logarithm", "Clip"),
        ({"nonfinite": 0}, "Look for a logarithm", "Find and drop"),  # of a pipeline only a sample was seen
        ({}, "Find and drop", "Clip"),  # text
        ({"nonfinite": 0, "nonfinite_examples": 2, "looked": 4000}, "Find and drop", "Find and drop"),
    ],
)
def test_data_that_were_finite_are_not_the_first_suspect(known: dict, first: str, last: str) -> None:
    facts = {"examples": 1024, "total": 4000, "inputs": [{"name": "x", **known}], "targets": []}
    finding = ask("N001", healthy(loss=broken(), info={"data": facts}))
    assert finding.remedies[0].action.startswith(first)
    assert finding.remedies[-1].action.startswith(last)
    assert ("Inputs and targets were finite" in finding.message) == (first == "Look for a logarithm")


def told(*logs: Series) -> Record:
    """A run whose training step told its losses by names of its own."""
    return Record.of(logs, {"optimizer": {"applied": False}}, [])


def test_losses_of_other_names_where_there_is_none_of_that_name() -> None:
    ends = [100, 200, 300]
    judge, maker = (series(f"epoch_{name}_loss", [0.7, 0.6, 0.6], ends, "loss") for name in "dg")
    assert ask("N001", told(judge, maker)).message == "All 6 losses of 2 logs were finite."
    broken = series("epoch_g_loss", [0.7, np.nan, np.nan], ends, "loss")
    finding = ask("N001", told(judge, broken))
    assert (finding.verdict, finding.step, finding.series) == (Verdict.CONCERN, 200, ("epoch_g_loss",))
    assert finding.message.startswith("The epoch `g_loss` became NaN at step 200.")
    # Beside the loss another may be undefined by right.
    assert ask("N001", having(healthy(), broken)).verdict is Verdict.SATISFACTORY
    assert ask("N001", told(series("epoch_accuracy", [0.5, np.nan, 0.7], ends))).verdict is Verdict.UNASSESSED
