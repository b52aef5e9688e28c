"""Which column is the loss, and which the step: by their names alone."""

from pathlib import Path

import pytest

from thalweg.errors import UsageError
from thalweg.store.names import Asked, apart, axes, guesses, metric, roles

LOG = Path("log.csv")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["loss", "val_loss"], {"loss": "loss", "val_loss": "validation_loss"}),
        (["train_loss", "valid_loss"], {"train_loss": "loss", "valid_loss": "validation_loss"}),
        (["trainloss", "valloss"], {"trainloss": "loss", "valloss": "validation_loss"}),
        (["trainLoss", "valLoss"], {"trainLoss": "loss", "valLoss": "validation_loss"}),
        (["Train Loss", "Test Loss"], {"Train Loss": "loss", "Test Loss": "validation_loss"}),
        (["Loss/train", "Loss/test"], {"Loss/train": "loss", "Loss/test": "validation_loss"}),
        (["train/loss", "eval/loss"], {"train/loss": "loss", "eval/loss": "validation_loss"}),
        (["LOSS", "lr-Adam"], {"LOSS": "loss", "lr-Adam": "learning_rate"}),
        (
            ["loss", "eval_loss", "grad_norm"],
            {"loss": "loss", "eval_loss": "validation_loss", "grad_norm": "gradient_norm"},
        ),
        (
            ["train_loss_step", "train_loss_epoch"],
            {"train_loss_step": "loss", "train_loss_epoch": "epoch_loss"},
        ),
        (["test_loss", "val_loss", "loss"], {"val_loss": "validation_loss", "loss": "loss"}),
        (["train/total_loss", "train/kl"], {"train/total_loss": "loss"}),
        (
            ["loss", "dense_1_loss", "dense_2_loss", "val_dense_1_loss", "val_loss"],
            {"loss": "loss", "val_loss": "validation_loss"},
        ),
        (["run 7 - train/loss"], {"run 7 - train/loss": "loss"}),
        (["Wall time", "Value"], {}),
        (["Value"], {"Value": "loss"}),
        (["mlm_loss", "accuracy"], {"mlm_loss": "loss"}),
        (["d_loss", "g_loss"], {}),
        (["train/box_loss", "train/cls_loss", "val/box_loss", "val/cls_loss"], {}),
        (["accuracy", "glossary", "val_accuracy"], {}),
    ],
)
def test_roles(names, found):
    assert roles(names, Asked(), LOG) == found


def test_what_the_caller_names_is_taken():
    names = ["step", "loss", "d_loss", "G_Loss"]
    assert roles(names, Asked("d_loss", "g_loss"), LOG) == {"d_loss": "loss", "G_Loss": "validation_loss"}
    assert roles(["Loss", "loss"], Asked("loss"), LOG) == {"loss": "loss"}
    with pytest.raises(
        UsageError, match=r"no column 'x' to read as the loss: its columns are 'step', 'loss'"
    ):
        roles(names, Asked("x"), LOG)
    with pytest.raises(UsageError, match="no column 'x' to read as the step"):
        axes(names, Asked(step="x"), LOG)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["epoch", "loss"], (None, "epoch")),
        (["Epoch", "Global Step", "loss"], ("Global Step", "Epoch")),
        (["iteration", "step"], ("step", None)),
        (["batch", "globalStep"], ("globalStep", None)),
        (["trainer/global_step", "_step"], ("_step", None)),
        (["", "loss"], (None, "")),
        (["Unnamed: 0", "loss"], (None, "Unnamed: 0")),
        (["Unnamed: 0", "step"], ("step", None)),
        (["step_time", "epochs_left"], (None, None)),
    ],
)
def test_axes(names, found):
    assert axes(names, Asked(), LOG) == found


def test_a_step_that_the_caller_names_may_be_an_epoch():
    assert axes(["it", "n", "epoch"], Asked(step="n"), LOG) == ("n", "epoch")
    assert axes(["step", "Epochs"], Asked(step="epochs"), LOG) == (None, "Epochs")


def test_guesses_are_said_and_what_is_plain_is_not():
    plain = {
        "Loss": "loss",
        "val_loss": "validation_loss",
        "Validation Loss": "validation_loss",
        "lr": "learning_rate",
    }
    assert guesses(plain, "epoch", Asked()) == ""
    some = {"train/nll": "loss", "dev_nll": "validation_loss", "lr-SGD": "learning_rate"}
    assert guesses(some, "it", Asked(validation_loss="dev_nll")) == (
        "read 'train/nll' as the loss, 'lr-SGD' as the learning rate and 'it' as the step"
    )


def test_a_name_taken_apart():
    assert (apart("Train/Loss_epoch").part, apart("Train/Loss_epoch").each) == ("training", "epoch")
    assert metric("val_accuracy") == ("validation_", "accuracy")
    assert metric("val_Top-5") == ("validation_", "Top-5")
    assert metric("eval/f1") == ("validation_", "f1")
    assert metric("train_acc") == ("epoch_", "acc")
    assert metric("rewards/margin") == ("epoch_", "rewards_margin")
