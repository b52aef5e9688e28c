"""Which models' objectives cannot be differentiated, in a sentence each."""

from typing import Any

import keras
import numpy as np
from keras import tree

from thalweg.keras.autodiff.derivatives import Derivatives, Part
from thalweg.keras.feed import Batch
from thalweg.keras.stateless import Stateless, answers

_FOREIGN = {"TFSMLayer", "TorchModuleWrapper"}
"""Layers with weights that Keras does not hand to them."""


def why_not(model: Any, batch: Batch, training: bool) -> str | None:
    """Why there are no derivatives of this model's objective on these examples; None where there may be."""
    name = type(model).__name__
    if not isinstance(model, keras.Model):
        return f"{name} is not a keras.Model."
    if not answers(model):
        return f"The model {model.name} has no weights yet: call it on its inputs, or build it, first."
    if not model.trainable_variables:
        return f"The model {model.name} has no trainable weights."
    if not type(model).train_step.__module__.startswith("keras."):
        return f"{name} trains by a train_step of its own: what it minimises cannot be known."
    own = type(model).compute_loss is not keras.Model.compute_loss
    compiled = getattr(model, "_compile_loss", None)
    if compiled is None and not own:
        return (
            f"The model {model.name} is compiled without a loss: compile it with the one that it minimises."
        )
    if (
        getattr(model, "_distribute_strategy", None) is not None
        or keras.distribution.distribution() is not None
    ):
        return "The model is distributed over devices, on which its derivatives are not taken."
    if foreign := [each for each in model._flatten_layers() if type(each).__name__ in _FOREIGN]:
        return (
            f"The layer {foreign[0].name} is a {type(foreign[0]).__name__}: Keras does not see its weights."
        )
    for variable in model.trainable_variables:
        dtype = keras.backend.standardize_dtype(variable.dtype)
        if dtype not in ("float32", "float64"):
            return f"The weight {variable.path} is kept in {dtype}, too coarse for second derivatives."
    if training and not Stateless(model).trains_without_trace:
        return (
            "In training mode this model would change in ways that cannot be put back: ask in inference mode."
        )
    inputs, targets, weights = batch
    if not own and targets is None:
        return "There are no targets, which the compiled loss needs."
    lengths = {
        len(np.asarray(leaf))
        for part in (inputs, targets, weights)
        for leaf in tree.flatten(part)
        if leaf is not None
    }
    if len(lengths) != 1 or 0 in lengths:
        counts = " and ".join(str(length) for length in sorted(lengths)) or "0"
        return f"The inputs, targets and sample weights have {counts} examples: they need one number, not 0."
    return None


def why_underivable(derivatives: Derivatives, part: Part, twice: bool, error: Exception) -> str:
    """Which derivative is the first that cannot be had, and what the backend said of it."""
    attempts = {"computed on these examples": derivatives.value, "differentiated": derivatives.gradient}
    for done, attempt in attempts.items():
        if done == "differentiated" and not twice:
            break
        try:
            attempt(part)
        except Exception as first:
            return f"The loss cannot be {done} ({said(first)})."
    return f"The loss cannot be differentiated{' twice' if twice else ''} ({said(error)})."


def said(error: Exception) -> str:
    """The line of the error's message that says what is wrong: TensorFlow says first where it is."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    line = lines[-1] if lines[0].startswith("in user code") else lines[0]
    return f"{type(error).__name__}: {line}".rstrip(" .:")
