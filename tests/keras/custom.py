"""Models with a train step of their own, as Keras's guides write it for each backend."""

from contextlib import nullcontext
from typing import Any

from laboratory import BACKEND, keras


class Base(keras.Model):
    """With its own mean of the loss."""

    updates = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mean_loss = keras.metrics.Mean(name="loss")

    @property
    def metrics(self) -> list[Any]:
        return [self.mean_loss]


if BACKEND == "tensorflow":
    import tensorflow

    class Model(Base):
        def train_step(self, data: Any) -> Any:
            x, y = data
            with tensorflow.GradientTape() as tape:
                loss = keras.ops.mean((self(x, training=True) - y) ** 2)
            variables = self.trainable_variables
            gradients = tape.gradient(loss, variables)
            for _ in range(self.updates):
                self.optimizer.apply(gradients, variables)
            self.mean_loss.update_state(loss)
            return {"loss": self.mean_loss.result()}

    class Branching(Base):
        """Applies its optimizer in a branch of the graph."""

        def train_step(self, data: Any) -> Any:
            x, y = data
            with tensorflow.GradientTape() as tape:
                loss = keras.ops.mean((self(x, training=True) - y) ** 2)
            variables = self.trainable_variables
            gradients = tape.gradient(loss, variables)

            def update() -> None:
                self.optimizer.apply(gradients, variables)

            tensorflow.cond(loss > 0.0, update, lambda: None)
            self.mean_loss.update_state(loss)
            return {"loss": self.mean_loss.result()}

elif BACKEND == "torch":
    import torch

    class Model(Base):
        def train_step(self, data: Any) -> Any:
            x, y = data
            self.zero_grad()
            loss = keras.ops.mean((self(x, training=True) - y) ** 2)
            loss.backward()
            variables = list(self.trainable_weights)
            gradients = [variable.value.grad for variable in variables]
            with torch.no_grad():
                for _ in range(self.updates):
                    self.optimizer.apply(gradients, variables)
            self.mean_loss.update_state(loss)
            return {"loss": self.mean_loss.result()}

else:
    import jax

    class Model(Base):
        def compute_loss_and_updates(self, trainable: Any, fixed: Any, x: Any, y: Any) -> Any:
            output, fixed = self.stateless_call(trainable, fixed, x, training=True)
            return keras.ops.mean((output - y) ** 2), fixed

        def train_step(self, state: Any, data: Any) -> Any:
            trainable, fixed, optimizer, metrics = state
            compute = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
            (loss, fixed), gradients = compute(trainable, fixed, *data)
            for _ in range(self.updates):
                trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
            metrics = self.mean_loss.stateless_update_state(metrics, loss)
            return {"loss": self.mean_loss.stateless_result(metrics)}, (trainable, fixed, optimizer, metrics)

    class Branching(Model):
        """Applies its optimizer in a branch of the trace."""

        def train_step(self, state: Any, data: Any) -> Any:
            trainable, fixed, optimizer, metrics = state
            compute = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
            (loss, fixed), gradients = compute(trainable, fixed, *data)

            def update(trainable: Any, optimizer: Any) -> Any:
                return self.optimizer.stateless_apply(optimizer, gradients, trainable)

            now = (list(trainable), list(optimizer))
            trainable, optimizer = jax.lax.cond(loss > 0.0, update, lambda *same: same, *now)
            metrics = self.mean_loss.stateless_update_state(metrics, loss)
            return {"loss": self.mean_loss.stateless_result(metrics)}, (trainable, fixed, optimizer, metrics)


class Twice(Model):
    """Applies its optimizer twice in each step."""

    updates = 2


class Frame(keras.Model):
    """Other models with a training step of its own around them, and no `call`, as in Keras's guide to GANs.

    Its steps are made without the optimizer that it is compiled with (here they change nothing at all).
    """

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(2)])
        self.built = True

    def train_step(self, *given: Any) -> Any:
        logs = {"d_loss": keras.ops.mean(given[-1][0] ** 2)}
        return (logs, given[0]) if BACKEND == "jax" else logs


class Accumulating(Base):
    """Adds up the gradients of its batches by hand, and applies their mean at every k-th of them.

    It branches in Python, which PyTorch always does, and the others where they run eagerly.
    """

    every = 4
    count = 0

    def train_step(self, *given: Any) -> Any:
        x, y = given[-1]
        state = given[0] if BACKEND == "jax" else None
        loss, gradients = self.look(state, x, y)
        self.count += 1
        before = self.sums if (self.count - 1) % self.every else [0.0] * len(gradients)
        self.sums = [a + b for a, b in zip(before, gradients, strict=True)]
        mean = [part / self.every for part in self.sums] if self.count % self.every == 0 else None
        if state is not None:
            trainable, fixed, optimizer, metrics = state
            if mean is not None:
                trainable, optimizer = self.optimizer.stateless_apply(optimizer, mean, trainable)
            metrics = self.mean_loss.stateless_update_state(metrics, loss)
            return {"loss": self.mean_loss.stateless_result(metrics)}, (trainable, fixed, optimizer, metrics)
        if mean is not None:
            with torch.no_grad() if BACKEND == "torch" else nullcontext():
                self.optimizer.apply(mean, self.trainable_variables)
        self.mean_loss.update_state(loss)
        return {"loss": self.mean_loss.result()}

    def look(self, state: Any, x: Any, y: Any) -> Any:
        """The loss, and the gradients of one batch."""
        if BACKEND == "jax":

            def compute(trainable: Any) -> Any:
                return keras.ops.mean((self.stateless_call(trainable, state[1], x)[0] - y) ** 2)

            return jax.value_and_grad(compute)(state[0])
        if BACKEND == "tensorflow":
            with tensorflow.GradientTape() as tape:
                loss = keras.ops.mean((self(x, training=True) - y) ** 2)
            return loss, tape.gradient(loss, self.trainable_variables)
        self.zero_grad()
        loss = keras.ops.mean((self(x, training=True) - y) ** 2)
        loss.backward()
        return loss, [variable.value.grad.clone() for variable in self.trainable_variables]
