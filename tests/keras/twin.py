"""The slow twin: a network with two hidden layers, its gradients and optimizers, by hand in float64."""

from collections.abc import Callable

import numpy as np

Arrays = list[np.ndarray]
TENSORS = ("first/kernel", "first/bias", "second/kernel", "second/bias", "third/kernel", "third/bias")
L2 = 0.01


def forward(weights: Arrays, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The activations of the three layers: relu, tanh, softmax."""
    w1, b1, w2, b2, w3, b3 = weights
    relu = np.maximum(x @ w1 + b1, 0.0)
    tanh = np.tanh(relu @ w2 + b2)
    scores = tanh @ w3 + b3
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return relu, tanh, exponentials / exponentials.sum(axis=1, keepdims=True)


def cross_entropy(weights: Arrays, x: np.ndarray, y: np.ndarray) -> float:
    softmax = forward(weights, x)[2]
    return float(np.mean([-np.log(softmax[i, y[i]]) for i in range(len(y))]))


def penalty(weights: Arrays) -> float:
    return L2 * float(np.sum(weights[2] ** 2))


def gradients(weights: Arrays, x: np.ndarray, y: np.ndarray) -> Arrays:
    """Of the cross-entropy and the penalty on the second kernel."""
    relu, tanh, softmax = forward(weights, x)
    scores = (softmax - np.eye(softmax.shape[1])[y]) / len(y)
    second = (scores @ weights[4].T) * (1.0 - tanh**2)
    first = (second @ weights[2].T) * (relu > 0.0)
    return [
        x.T @ first, first.sum(axis=0),
        relu.T @ second + 2.0 * L2 * weights[2], second.sum(axis=0),
        tanh.T @ scores, scores.sum(axis=0),
    ]  # fmt: skip


def momentum(rate: float, momentum: float) -> Callable[[Arrays, Arrays], Arrays]:
    velocity: Arrays = []

    def step(weights: Arrays, gradient: Arrays) -> Arrays:
        old = velocity or [np.zeros_like(w) for w in weights]
        velocity[:] = [momentum * v - rate * g for v, g in zip(old, gradient, strict=True)]
        return [w + v for w, v in zip(weights, velocity, strict=True)]

    return step


def adam(rate: float, first: float = 0.9, second: float = 0.999, epsilon: float = 1e-7):
    """Kingma & Ba 2015, with epsilon where Keras has it."""
    mean: Arrays = []
    square: Arrays = []
    count = 0

    def step(weights: Arrays, gradient: Arrays) -> Arrays:
        nonlocal count
        count += 1
        zeros = [np.zeros_like(w) for w in weights]
        mean[:] = [first * m + (1 - first) * g for m, g in zip(mean or zeros, gradient, strict=True)]
        square[:] = [
            second * s + (1 - second) * g * g for s, g in zip(square or zeros, gradient, strict=True)
        ]
        alpha = rate * np.sqrt(1 - second**count) / (1 - first**count)
        return [w - alpha * m / (np.sqrt(s) + epsilon) for w, m, s in zip(weights, mean, square, strict=True)]

    return step
