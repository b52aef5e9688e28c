import pytest

from thalweg import Verdict

from .runs import ask, healthy


def corrupt(step: int, norm: float = 1450.0, loss: float = 60.0, seed: int = 0, n: int = 2000):
    whole = healthy(n, seed=seed)
    norms, losses = whole.series["gradient_norm"].values.copy(), whole.series["loss"].values.copy()
    norms[step - 1], losses[step - 1] = norm, loss
    return healthy(n, seed=seed, gradient_norm=norms, loss=losses)


@pytest.mark.parametrize("step", [77, 100, 1000, 1999])
@pytest.mark.parametrize("seed", range(3))
def test_a_corrupt_label_is_found_at_its_step(step: int, seed: int) -> None:
    finding = ask("G001", corrupt(step, seed=seed))
    assert finding.verdict is Verdict.CONCERN
    assert finding.step == step
    assert finding.message.startswith(f"At step {step:,} the gradient norm was 1.45e+03, ")
    assert finding.evidence["norm"].value == 1450.0
    assert finding.evidence["norm"].threshold < 1450.0


def test_the_same_batch_at_every_epoch() -> None:
    whole = healthy()
    norms, losses = whole.series["gradient_norm"].values.copy(), whole.series["loss"].values.copy()
    norms[76::100], losses[76::100] = 1450.0, 60.0
    finding = ask("G001", healthy(gradient_norm=norms, loss=losses))
    assert finding.verdict is Verdict.CONCERN
    assert finding.evidence["spikes"].value > 1
    assert (finding.step - 77) % 100 == 0


def test_a_spike_without_harm_is_none() -> None:
    finding = ask("G001", corrupt(1000, loss=0.35))
    assert finding.verdict is Verdict.SATISFACTORY
    assert "the loss did not suffer" in finding.message


def test_lasting_harm_counts() -> None:
    whole = healthy()
    norms, losses = whole.series["gradient_norm"].values.copy(), whole.series["loss"].values.copy()
    norms[999] = 1450.0
    losses[1000:1400] += 1.0
    assert ask("G001", healthy(gradient_norm=norms, loss=losses)).step == 1000


def test_too_few_steps() -> None:
    finding = ask("G001", healthy(30))
    assert finding.verdict is Verdict.UNASSESSED
    assert "there were 30." in finding.message
