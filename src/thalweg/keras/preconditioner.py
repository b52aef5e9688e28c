"""What an optimizer divides its steps by, from its own state, and the largest curvature that its step can bear."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from thalweg.errors import UnsupportedError
from thalweg.keras.stateless import as_numpy

Vector = NDArray[np.float64]

_DECAY = 0.02
"""Decay a step with which the limit of the variables that have none is more than a hundredth away."""


@dataclass(frozen=True, slots=True, eq=False)
class Preconditioner:
    """An optimizer's step as lr * P^(-1) (a mean of gradients), P frozen as it is.

    `diagonal` (p,) is P over the trainable variables, flat, None for the identity. The step is stable along an
    eigenvector of P^(-1) H whose eigenvalue is at most `limit`, which `rule` says in words. A limit follows from the
    optimizer's recurrence at the root -1; decoupled weight decay w takes `learning rate * w` off its 2. `momentum` is
    the weight of the past in that mean; `clips`: gradients above a size are shortened, which the limit leaves out.
    """

    diagonal: Vector | None
    limit: float
    rule: str
    learning_rate: float
    momentum: float = 0.0
    clips: bool = False


def preconditioner(optimizer: Any, variables: Iterable[Any]) -> Preconditioner:
    """Of a built Keras optimizer over these trainable variables, as its last update was.

    SGD with momentum or Nesterov's, RMSprop, Adagrad, Adam, AdamW, Nadam, Adamax. Adam's limit is Cohen et al.'s
    (*Adaptive Gradient Methods at the Edge of Stability*, 2022, sec. 2), the others follow likewise from Keras 3.15's
    own updates. H is that of the mean gradient: scaling the loss and accumulating gradients change nothing. Raises
    `UnsupportedError`, with a clause, for another optimizer, one that does not hold these variables, one whose state
    no step has filled, one that puts averages in the weights' place, and one whose decay is large and not of all.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    name = type(inner).__name__
    known = _KNOWN.get(name)
    # By name, for on PyTorch Keras makes an object of a class of its own.
    if known is None or not type(inner).__module__.startswith("keras."):
        raise UnsupportedError(f"no stability limit is known for the optimizer {name}")
    if known is not _sgd and not (inner.built and int(_number(inner.iterations))):
        raise UnsupportedError(f"the optimizer {name} has made no step")
    if inner.use_ema and inner.ema_overwrite_frequency:
        raise UnsupportedError(
            "every few steps the optimizer puts averages in the place of the weights (ema_overwrite_frequency), and "
            "no stability limit is known of that"
        )
    diagonal, divisor, rule = known(inner, list(variables))
    rate = _number(inner.learning_rate)
    decay = rate * (inner.weight_decay or 0.0)
    if decay > _DECAY and _excludes(inner):
        raise UnsupportedError(
            "weight decay is kept from some of the weights: there is no one stability limit"
        )
    room = 2.0 - decay
    with np.errstate(divide="ignore"):
        limit = float(room / (np.float64(rate) * divisor)) if rate else np.inf
    momentum = float(getattr(inner, "momentum", 0.0) or getattr(inner, "beta_1", 0.0))
    clips = any(getattr(inner, name) for name in ("clipnorm", "clipvalue", "global_clipnorm"))
    return Preconditioner(diagonal, limit, rule, rate, momentum, clips)


def _excludes(optimizer: Any) -> bool:
    """Whether decay is kept from some variables. Keras's own answer for each would be noted for its next steps."""
    names = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    return any(getattr(optimizer, name, None) for name in names)


Known = tuple[Vector | None, float, str]
"""P, the factor d in limit = 2 / (d lr), and the rule in words."""


def _sgd(optimizer: Any, variables: list[Any]) -> Known:
    b = float(optimizer.momentum)
    if not b:
        return None, 1.0, "2 / learning rate"
    if optimizer.nesterov:
        return None, (1.0 + 2.0 * b) / (1.0 + b), "(2 + 2 b) / ((1 + 2 b) learning rate), b the momentum"
    return None, 1.0 / (1.0 + b), "(2 + 2 b) / learning rate, b the momentum"


def _rmsprop(optimizer: Any, variables: list[Any]) -> Known:
    square = _state(optimizer, optimizer._velocities, variables)
    if optimizer.centered:
        square = square - _state(optimizer, optimizer._average_gradients, variables) ** 2
    b = float(optimizer.momentum)
    rule = "(2 + 2 b) / learning rate, b the momentum" if b else "2 / learning rate"
    return np.sqrt(square + optimizer.epsilon), 1.0 / (1.0 + b), rule


def _adagrad(optimizer: Any, variables: list[Any]) -> Known:
    square = _state(optimizer, optimizer._accumulators, variables)
    return np.sqrt(square + optimizer.epsilon), 1.0, "2 / learning rate"


def _adam(optimizer: Any, variables: list[Any]) -> Known:
    held = optimizer._velocity_hats if optimizer.amsgrad else optimizer._velocities
    first, second = _corrections(optimizer)
    root = np.sqrt(_state(optimizer, held, variables))
    # Keras adds epsilon to the root before it is corrected, unlike the paper.
    return first * (root + optimizer.epsilon) / np.sqrt(second), *_averaged(optimizer)


def _adamax(optimizer: Any, variables: list[Any]) -> Known:
    largest = _state(optimizer, optimizer._u, variables)
    return _corrections(optimizer)[0] * (largest + optimizer.epsilon), *_averaged(optimizer)


def _nadam(optimizer: Any, variables: list[Any]) -> Known:
    b, t = float(optimizer.beta_1), _number(optimizer.iterations)
    now, following = (b * (1.0 - 0.5 * 0.96**step) for step in (t, t + 1.0))
    product = _number(optimizer._u_product)
    root = np.sqrt(_state(optimizer, optimizer._velocities, variables) / _corrections(optimizer)[1])
    through = following / (1.0 - product * following) * (1.0 - b) / (1.0 + b)
    rule = "(2 + 2 b) / ((1 - b) (1 + 2 b) learning rate), b = beta_1"
    return root + optimizer.epsilon, through + (1.0 - now) / (1.0 - product), rule


def _averaged(optimizer: Any) -> tuple[float, str]:
    b = float(optimizer.beta_1)
    return (1.0 - b) / (1.0 + b), "(2 + 2 b) / ((1 - b) learning rate), b = beta_1"


def _corrections(optimizer: Any) -> tuple[float, float]:
    """1 - beta^t of the two averages at the last update."""
    t = _number(optimizer.iterations)
    return 1.0 - float(optimizer.beta_1) ** t, 1.0 - float(optimizer.beta_2) ** t


_KNOWN: dict[str, Callable[[Any, list[Any]], Known]] = {
    "SGD": _sgd,
    "RMSprop": _rmsprop,
    "Adagrad": _adagrad,
    "Adam": _adam,
    "AdamW": _adam,
    "Adamax": _adamax,
    "Nadam": _nadam,
}


def _state(optimizer: Any, held: list[Any], variables: list[Any]) -> Vector:
    """The optimizer's numbers of these variables, flat, in float64."""
    try:
        found = [held[optimizer._get_variable_index(variable)] for variable in variables]
    except KeyError:
        raise UnsupportedError("the optimizer does not hold all of the trainable variables") from None
    return np.concatenate([np.empty(0), *(as_numpy(each).astype(np.float64).ravel() for each in found)])


def _number(value: Any) -> float:
    return float(keras.ops.convert_to_numpy(value))
