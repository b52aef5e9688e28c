"""The mode in which a model's derivatives are taken: the same for what is tracked and for what is certified."""

import keras

from thalweg.keras.stateless import Stateless

TRAINING = "as in training"
QUIET = "without dropout, in inference mode"
INFERENCE = "in inference mode"


def mode(model: keras.Model) -> str:
    """`TRAINING`, `QUIET` or `INFERENCE`, in words.

    As in training, batch normalisation takes the statistics of the examples that are looked at. A model that draws
    random numbers there has no one Hessian, and a mask that all batches share would pass for a gradient; one that
    would be changed by a pass in that mode is left as it is. Both are looked at in inference mode.
    """
    called = Stateless(model)
    if draws(model):
        return QUIET
    return TRAINING if called.trains_without_trace or not called.modes_differ else INFERENCE


def draws(model: keras.Model) -> bool:
    """Whether layers draw random numbers in training mode: dropout, noise, augmentation."""
    return any(
        isinstance(value, keras.random.SeedGenerator)
        for layer in model._flatten_layers()
        for value in vars(layer).values()
    )


def in_training(model: keras.Model) -> bool:
    """Whether to ask for training mode: not where no layer knows one, for that would compile the same again."""
    return mode(model) == TRAINING and Stateless(model).modes_differ
