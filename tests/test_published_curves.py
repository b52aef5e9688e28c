"""Published trainings whose ends are known: what is said of DeepOBS's mnist_vae, the seed 42 of its baselines.

Momentum at its rate ends at a test loss of 52.93 in all ten seeds, flat from the third epoch on: every image is
answered with nearly one and the same. The mean image of MNIST has 52.73 on the images trained on. Adam ends at 27.8.
"""

import numpy as np

from thalweg import Record, Series, diagnose
from thalweg.comparison import Comparison, Configuration, Member

MEAN_IMAGE = 52.7250
"""The sum of the variances of 784 pixels over 60,000 images: the loss of the best constant answer."""
# Training and test loss before training and after each of 50 epochs.
MOMENTUM = np.array([
    181.4299,
    53.6444, 53.1119, 53.0937, 53.0875, 53.0848, 53.0828, 53.0790, 53.0716, 53.0708, 53.0703,
    53.0699, 53.0695, 53.0691, 53.0688, 53.0685, 53.0682, 53.0679, 53.0676, 53.0674, 53.0671,
    53.0669, 53.0667, 53.0664, 53.0662, 53.0660, 53.0658, 53.0656, 53.0654, 53.0652, 53.0651,
    53.0649, 53.0647, 53.0645, 53.0643, 53.0641, 53.0639, 53.0637, 53.0635, 53.0634, 53.0632,
    53.0630, 53.0628, 53.0626, 53.0624, 53.0622, 53.0620, 53.0619, 53.0617, 53.0615, 53.0613,
])  # fmt: skip
MOMENTUM_TEST = np.array([
    181.4603,
    53.5322, 52.9740, 52.9565, 52.9494, 52.9465, 52.9446, 52.9411, 52.9345, 52.9339, 52.9336,
    52.9334, 52.9333, 52.9332, 52.9331, 52.9331, 52.9330, 52.9330, 52.9330, 52.9329, 52.9329,
    52.9329, 52.9329, 52.9328, 52.9328, 52.9328, 52.9328, 52.9327, 52.9327, 52.9326, 52.9326,
    52.9325, 52.9325, 52.9324, 52.9323, 52.9323, 52.9322, 52.9321, 52.9320, 52.9319, 52.9318,
    52.9317, 52.9317, 52.9315, 52.9314, 52.9313, 52.9312, 52.9311, 52.9310, 52.9309, 52.9308,
])  # fmt: skip
ADAM = np.array([
    181.4299,
    38.1641, 33.8266, 32.2183, 31.4468, 30.8588, 30.4531, 30.0946, 29.7382, 29.5572, 29.2679,
    29.1006, 29.0321, 28.7507, 28.6228, 28.5611, 28.5013, 28.3335, 28.2801, 28.2750, 28.1082,
    28.1483, 27.9916, 27.9247, 27.9411, 27.8572, 27.7773, 27.7297, 27.5969, 27.6715, 27.5581,
    27.5494, 27.4875, 27.4610, 27.3673, 27.3405, 27.2914, 27.1870, 27.2211, 27.2063, 27.1842,
    27.1960, 27.2589, 27.0449, 27.1316, 27.1603, 27.0226, 27.0604, 27.0403, 26.9894, 27.0362,
])  # fmt: skip
ADAM_TEST = np.array([
    181.4603,
    37.8038, 33.5724, 31.9380, 31.2150, 30.6733, 30.3214, 29.9675, 29.6993, 29.4343, 29.2187,
    29.1207, 29.0291, 28.8140, 28.7658, 28.5982, 28.5866, 28.5484, 28.4964, 28.4523, 28.2881,
    28.3415, 28.2962, 28.3010, 28.2876, 28.1422, 28.1597, 28.0671, 27.9643, 28.0448, 28.0239,
    27.9199, 27.9474, 27.9535, 27.9325, 27.8084, 27.8103, 27.8519, 27.8346, 27.8029, 27.7474,
    27.8948, 27.8653, 27.7600, 27.7939, 27.7565, 27.7408, 27.8160, 27.7125, 27.7060, 27.7337,
])  # fmt: skip


def published(training: np.ndarray, test: np.ndarray) -> Record:
    steps = 937 * np.arange(51)
    series = [Series("epoch_loss", "loss", steps, training), Series("validation_loss", "loss", steps, test)]
    return Record.of(series, {"constant_prediction_loss": MEAN_IMAGE})


def test_what_ends_flat_and_bad_is_said_to_be_both() -> None:
    found = diagnose(published(MOMENTUM, MOMENTUM_TEST))
    assert [finding.code for finding in found.concerns] == ["B001"]
    bad = "the loss ended at 53.1, no better than the 52.7 of a constant prediction"
    assert found.answer == f"Not converging to anything useful: {bad}."
    stages = [(stage.name, stage.first, stage.last) for stage in found.stages]
    assert [name for name, _, _ in stages] == ["falling", "plateau"]
    assert stages[1][1] < 5 * 937 and stages[1][2] == 50 * 937, "flat from the fifth epoch at the latest"


def test_what_ends_well_is_not() -> None:
    found = diagnose(published(ADAM, ADAM_TEST))
    assert not found.concerns and found.answer.startswith("Converging: the loss fell from 181 to 27")


def test_the_good_one_is_ranked_first() -> None:
    members = [
        Member.of(
            Configuration("momentum", 2.5119e-5, batch_size=64), 42, published(MOMENTUM, MOMENTUM_TEST)
        ),
        Member.of(Configuration("adam", 1.5849e-4, batch_size=64), 42, published(ADAM, ADAM_TEST)),
    ]
    comparison = Comparison(tuple(members))
    first, second = comparison.summaries()
    assert (first.configuration.optimizer, second.configuration.optimizer) == ("adam", "momentum")
    assert (first.validation.value, second.validation.value) == (27.7337, 52.9308)
    assert second.steps.value == np.inf, "never at 5 % above the lowest"
    assert (second.diverged, second.stuck) == (0, 0)
