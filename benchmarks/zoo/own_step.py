"""Models with a training step of their own, as the guides of Keras write it, for each backend."""

from typing import Any

import keras
from keras import ops


class OwnError(keras.Model):
    """Its step computes its own error; `compile` is told of the optimizer alone."""

    def __init__(self, *args: Any, error: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error, self.mean_error = error, keras.metrics.Mean(name="loss")

    @property
    def metrics(self) -> list[Any]:
        """What is logged."""
        return [self.mean_error]

    def train_step(self, *given: Any) -> Any:
        """One step: (data) on TensorFlow and PyTorch, (state, data) on JAX, which wants the state back."""
        x, y = given[-1][:2]
        if keras.backend.backend() == "jax":
            import jax

            trainable, fixed, optimizer, metrics = given[0]

            def error_of(trainable: Any) -> Any:
                answer, updated = self.stateless_call(trainable, fixed, x, training=True)
                return self.error(y, answer), updated

            (error, fixed), gradients = jax.value_and_grad(error_of, has_aux=True)(trainable)
            trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
            metrics = self.mean_error.stateless_update_state(metrics, error)
            logs = {"loss": self.mean_error.stateless_result(metrics)}
            return logs, (trainable, fixed, optimizer, metrics)
        held = list(self.trainable_weights)
        if keras.backend.backend() == "torch":
            import torch

            self.zero_grad()
            error = self.error(y, self(x, training=True))
            error.backward()
            with torch.no_grad():
                self.optimizer.apply([v.value.grad for v in held], held)
        else:
            import tensorflow as tf

            with tf.GradientTape() as tape:
                error = self.error(y, self(x, training=True))
            self.optimizer.apply(tape.gradient(error, held), held)
        self.mean_error.update_state(error)
        return {"loss": self.mean_error.result()}


class Accumulating(keras.Model):
    """Its step adds gradients up and applies their mean every so many steps; then it empties the sum, or forgets to.

    PyTorch adds up by itself; elsewhere the sums are variables, the model's only ones that are not trained.
    """

    def __init__(self, *args: Any, every: int, emptied: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.every, self.emptied, self.made = every, emptied, 0
        if keras.backend.backend() != "torch":
            self.count = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)
            self.sums = [
                self.add_weight(shape=v.shape, initializer="zeros", trainable=False)
                for v in self.trainable_variables
            ]

    def train_step(self, *given: Any) -> Any:
        """One step: (data) on TensorFlow and PyTorch, (state, data) on JAX, which wants the state back."""
        x, y = given[-1][:2]
        if keras.backend.backend() == "jax":
            return self._jax(given[0], x, y)
        if keras.backend.backend() == "torch":
            import torch

            answer = self(x, training=True)
            loss = self.compute_loss(x, y, answer)
            (loss / self.every).backward()
            self.made += 1
            if self.made % self.every == 0:
                held = list(self.trainable_weights)
                with torch.no_grad():
                    self.optimizer.apply([v.value.grad for v in held], held)
                if self.emptied:
                    self.zero_grad()
        else:
            import tensorflow as tf

            with tf.GradientTape() as tape:
                answer = self(x, training=True)
                loss = self.compute_loss(x, y, answer)
            for total, gradient in zip(self.sums, tape.gradient(loss, self.trainable_variables), strict=True):
                total.assign_add(gradient / self.every)
            self.count.assign_add(1)
            if self.every == 1:
                self._apply()
            else:
                tf.cond(tf.equal(self.count % self.every, 0), self._apply, lambda: None)
        self._loss_tracker.update_state(loss)
        return self.compute_metrics(x, y, answer)

    def _apply(self) -> None:
        self.optimizer.apply([ops.convert_to_tensor(total) for total in self.sums], self.trainable_variables)
        if self.emptied:
            for total in self.sums:
                total.assign(ops.zeros_like(total))

    def _jax(self, state: Any, x: Any, y: Any) -> Any:
        import jax

        trainable, fixed, optimizer, metrics = state
        (_, aux), gradients = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)(
            trainable, fixed, metrics, x, y, None, training=True, optimizer_variables=optimizer
        )
        loss, answer, (count, *sums), metrics = aux

        def applied(trainable: Any, sums: Any, optimizer: Any) -> Any:
            trainable, optimizer = self.optimizer.stateless_apply(optimizer, sums, trainable)
            return trainable, [0.0 * total for total in sums] if self.emptied else sums, optimizer

        count = count + 1
        sums = [total + gradient / self.every for total, gradient in zip(sums, gradients, strict=True)]
        now = (list(trainable), sums, list(optimizer))
        trainable, sums, optimizer = (
            applied(*now)
            if self.every == 1
            else jax.lax.cond(count % self.every == 0, applied, lambda *same: same, *now)
        )
        logs, metrics = self._update_metrics_variables(metrics, loss, x, y, answer, None)
        return logs, (trainable, [count, *sums], optimizer, metrics)


def own(kind: Any, body: Any, **kwargs: Any) -> Any:
    """The network `body` as a model of a kind with a training step of its own."""
    return kind(body.inputs[0], body.outputs[0], **kwargs)
