"""What can be asked of a model's loss: values, gradients and products with its second derivatives."""

import abc
from typing import Any

from numpy.typing import ArrayLike, NDArray


class Products(abc.ABC):
    """Derivatives of what a model was trained to minimise, on fixed examples, at its present weights.

    The objective is what Keras computes for all examples (or for `rows` of them) as one batch: the compiled
    loss with the examples' weights, what layers add and the penalties on the weights. Reduced by a sum, it
    grows with the examples: made for steps of b, such a term of n examples counts b / n, which is what a step
    sees of it in the mean. Vectors are flat over
    `model.trainable_variables`, in their order, each raveled in C order; a `point` takes the place of the
    present weights. Nothing of the model moves. Activations with a kink, such as ReLU, have the derivatives
    that they have beside it.

    A product that cannot be had raises `UnsupportedError` and says why.
    """

    size: int
    """p, the number of trainable parameters."""
    examples: int
    """n."""

    @property
    @abc.abstractmethod
    def made(self) -> int:
        """Gradients and products made so far, in passes over all examples, rounded up."""

    @property
    @abc.abstractmethod
    def doubt(self) -> str | None:
        """Why a training step may have had another objective than this, as a clause; None where it is the same."""

    @abc.abstractmethod
    def forget(self) -> None:
        """Let go of what is kept for the next product at the same weights; what is compiled stays."""

    @property
    @abc.abstractmethod
    def point(self) -> NDArray[Any]:
        """The present weights, (p,)."""

    @abc.abstractmethod
    def value(self, point: ArrayLike | None = None) -> float:
        """The objective."""

    @abc.abstractmethod
    def losses(self, point: ArrayLike | None = None) -> NDArray[Any]:
        """The compiled loss of each example, (n,), weighted, without penalties and what layers add.

        Its mean is the compiled loss; where that is reduced by a sum, its sum is.
        """

    @abc.abstractmethod
    def gradient(self, point: ArrayLike | None = None, rows: ArrayLike | None = None) -> NDArray[Any]:
        """Its gradient g, (p,)."""

    @abc.abstractmethod
    def hessian_vector(
        self, vector: ArrayLike, point: ArrayLike | None = None, rows: ArrayLike | None = None
    ) -> NDArray[Any]:
        """H v, (p,), with the matrix H of its second derivatives."""

    @abc.abstractmethod
    def gauss_newton_vector(
        self, vector: ArrayLike, point: ArrayLike | None = None, rows: ArrayLike | None = None
    ) -> NDArray[Any]:
        """G v, (p,), with G = J' L J + P (Schraudolph, *Neural Computation* 14, 2002).

        J is the Jacobian of the network, L the Hessian of the compiled loss in the outputs and P that of the
        penalties. Where an output is a softmax or a sigmoid and its loss the matching cross-entropy, J and L are
        taken at its logits, which makes L positive semi-definite; elsewhere at the output. What layers add is
        linear in itself and has no part in G.
        """
