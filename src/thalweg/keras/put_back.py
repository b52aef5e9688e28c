"""What running a model would leave behind is put back: its mode, random numbers, notes of losses, variables."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import keras
import numpy as np
from keras import ops


@contextmanager
def undisturbed(model: keras.Model, training: bool = False) -> Iterator[None]:
    """Within it the model's `stateless_call` may be run, or traced, in that mode: all is put back as it was."""
    with in_mode(model, training), random_numbers_put_back(), losses_put_back(model):
        yield


@contextmanager
def in_mode(model: keras.Model, training: bool) -> Iterator[None]:
    """Within it PyTorch modules inside a model, which have a flag of their own, are in training or in inference."""
    modules = list(model.modules()) if keras.backend.backend() == "torch" else []
    before = [module.training for module in modules]
    if modules and model.training is not training:
        model.train(training)
    try:
        yield
    finally:
        for module, flag in zip(modules, before, strict=True):
            module.training = flag


@contextmanager
def random_numbers_put_back() -> Iterator[None]:
    """What is drawn from a global generator meanwhile will be drawn again.

    `stateless_call` keeps Keras's own seeds; but on PyTorch a recurrent cell draws its dropout masks, in
    inference too, from PyTorch's generator.
    """
    python, numpy = random.getstate(), np.random.get_state()
    torch = sys.modules["torch"] if keras.backend.backend() == "torch" else None
    devices = [torch.cuda.current_device()] if torch is not None and torch.cuda.is_initialized() else []
    try:
        with nullcontext() if torch is None else torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def losses_put_back(model: keras.Model) -> Iterator[None]:
    """Layers note which losses they added; a stale note would claim, or drop, another layer's in a later pass."""
    noted = [(layer._loss_ids, set(layer._loss_ids)) for layer in model._flatten_layers()]
    try:
        yield
    finally:
        for now, before in noted:
            now.clear()
            now.update(before)


@contextmanager
def variables_put_back(model: keras.Model) -> Iterator[None]:
    """Whatever is done to the model's variables meanwhile, its optimizer's and its metrics', is undone."""
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *model.metrics_variables, *(optimizer.variables if optimizer else ())]
    before = [(v, np.copy(ops.convert_to_numpy(v.value))) for v in variables if v._value is not None]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)
