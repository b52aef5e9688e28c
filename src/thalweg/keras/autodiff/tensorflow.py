"""Derivatives by TensorFlow: reverse over reverse, which, unlike forward over reverse, passes through loops."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from thalweg.keras.autodiff.derivatives import Derivatives, Part, host
from thalweg.keras.autodiff.objective import Objective


def derivatives(objective: Objective) -> Derivatives:
    """Of this objective."""
    return _TensorFlow(objective)


class _TensorFlow(Derivatives):
    def __init__(self, objective: Objective) -> None:
        super().__init__(objective)
        split = objective.split
        self._weights = tf.function(
            lambda: objective.join([variable.value for variable in objective.variables])
        )
        self._terms = tf.function(
            lambda flat, fixed, batch, _: tf.stack(objective.terms(split(flat), fixed, batch))
        )
        self._each = tf.function(
            lambda flat, fixed, batch, _, what: objective.each(split(flat), fixed, batch, what)
        )
        self._gradient = tf.function(self._gradient_of, reduce_retracing=True)
        self._hessian = tf.function(self._hessian_times, reduce_retracing=True)
        self._gauss_newton = tf.function(self._gauss_newton_times, reduce_retracing=True)

    def weights(self) -> NDArray[Any]:
        # Read one by one, as elsewhere, they take a third of the time of a small network's product.
        return np.array(self._weights())

    def terms(self, part: Part) -> NDArray[Any]:
        return host(self._called(self._terms, part))

    def each(self, part: Part, what: str) -> list[NDArray[Any]]:
        return [host(one) for one in self._called(self._each, part, what)]

    def gradient(self, part: Part) -> NDArray[Any]:
        return host(self._called(self._gradient, part))

    def hessian_vector(self, part: Part, vector: NDArray[Any]) -> NDArray[Any]:
        return host(self._called(self._hessian, part, ops.convert_to_tensor(vector)))

    def gauss_newton_vector(self, part: Part, vector: NDArray[Any]) -> NDArray[Any]:
        return host(self._called(self._gauss_newton, part, ops.convert_to_tensor(vector)))

    def _called(self, function: Callable[..., Any], part: Part, *more: Any) -> Any:
        with self.objective.undisturbed(), _exact_moments(), _without_advice():
            return function(*part.tensors(), *more)

    def _gradient_of(self, flat: Any, fixed: Any, batch: Any, shares: Any) -> Any:
        leaves = self.objective.split(flat)
        return self.objective.join(self._slope(leaves, fixed, batch, shares))

    def _hessian_times(self, flat: Any, fixed: Any, batch: Any, shares: Any, vector: Any) -> Any:
        leaves = self.objective.split(flat)
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            slope = self._slope(leaves, fixed, batch, shares)
        return self.objective.join(_slope(tape, slope, leaves, self.objective.split(vector)))

    def _gauss_newton_times(self, flat: Any, fixed: Any, batch: Any, shares: Any, vector: Any) -> Any:
        objective, leaves, pieces = self.objective, self.objective.split(flat), self.objective.split(vector)
        # What goes backward is linear in the seeds: its derivative in them is what goes forward.
        with tf.GradientTape() as linear:
            with tf.GradientTape(persistent=True) as network:
                network.watch(leaves)
                heads = objective.network(leaves, fixed, batch)
            seeds = [tf.zeros_like(value) for value in heads.values]
            linear.watch(seeds)
            backward = _slope(network, heads.values, leaves, seeds)
        forward = _slope(linear, backward, seeds, pieces)
        outputs = [tf.identity(value) for value in heads.values]
        with tf.GradientTape() as second:
            second.watch(outputs)
            with tf.GradientTape() as first:
                first.watch(outputs)
                loss = objective.weighted(objective.losses(heads, outputs, batch), shares)
            curvature = _slope(first, loss, outputs)
        bent = _slope(second, curvature, outputs, forward)
        with tf.GradientTape() as second:
            second.watch(leaves)
            with tf.GradientTape() as first:
                first.watch(leaves)
                penalty = objective.penalty(leaves, shares)
            pull = _slope(first, penalty, leaves)
        through, beside = (
            _slope(network, heads.values, leaves, bent),
            _slope(second, pull, leaves, pieces),
        )
        return objective.join(through) + objective.join(beside)

    def _slope(self, leaves: list[Any], fixed: Any, batch: Any, shares: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            value = self.objective.value(leaves, fixed, batch, shares)
        return _slope(tape, value, leaves)


@contextmanager
def _exact_moments() -> Iterator[None]:
    """Within it a variance depends on its mean.

    TensorFlow's holds that mean constant, which leaves the first derivative as it is and makes the second wrong.
    """

    def moments(x: Any, axes: Any, shift: Any = None, keepdims: bool = False, name: Any = None) -> Any:
        mean = tf.reduce_mean(x, axes, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), axes, keepdims=keepdims)
        return (mean if keepdims else tf.squeeze(mean, axes)), variance

    theirs = tf.nn.moments
    tf.nn.moments = moments
    try:
        yield
    finally:
        tf.nn.moments = theirs


def _slope(tape: Any, values: Any, leaves: list[Any], seeds: list[Any] | None = None) -> list[Any]:
    """The derivatives in the leaves of the values, weighted by the seeds; noughts where nothing depends."""
    found = tape.gradient(
        values, leaves, output_gradients=seeds, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return [tf.convert_to_tensor(each) for each in found]  # of an embedding they are slices


@contextmanager
def _without_advice() -> Iterator[None]:
    """TensorFlow counts the functions of several models as one that is traced again and again, and warns of it."""

    def wanted(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in str(record.msg)

    logger = logging.getLogger("tensorflow")
    logger.addFilter(wanted)
    try:
        yield
    finally:
        logger.removeFilter(wanted)
