"""The seam: how the compiled training step is read without a bit of it changing.

While a `fit` runs, four methods of *this one model* are interposed, as attributes of the instances:
`model.train_function` (the host's side of a step), `model.train_step` (the traced side), the optimizer's
`apply` or `stateless_apply` (gradients, parameters before and after), and `update_state` of the loss metric
(the loss of the step). They call what was there before them and pass on what it returned. `close` takes them
out again, and the model is as it was: same optimizer, same class, same state.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from thalweg.errors import UnsupportedError
from thalweg.keras.tape import Tape

Function = Callable[..., Any]


class Seam:
    """Interposed between a compiled model and its optimizer until `close`.

    `before_step(data, state)` is called on the host before each call of the train function, which covers one
    or several steps; it may hand on another iterator. `state` is the variables' values where the model does
    not hold them during a step (trainable and non-trainable, JAX), else None. `after_step(first)` is called
    after it, with whether that function was called for the first time (it compiles), and `failed(error)` where
    it raised anything but the end of the data. `remade()` is called where a callback has Keras make its train
    function anew (it may have frozen layers), which is to close the seam.

    Where steps are compiled there are two train functions, with and without the costly probes, each made when
    the tape's `measuring` first asks for it.
    """

    def __init__(
        self,
        model: keras.Model,
        tape: Tape,
        before_step: Callable[[Any, tuple[Any, Any] | None], Any],
        after_step: Callable[[bool], None],
        failed: Callable[[BaseException], None],
        remade: Callable[[], None],
    ) -> None:
        self._model = model
        self._tape = tape
        self._before_step, self._after_step = before_step, after_step
        self._failed, self._remade = failed, remade
        self._functional = keras.backend.backend() == "jax"
        self._tracing = self._applied = False
        self._loss: Any = None
        self._place: Any = None
        self.parameters: list[Any] = []
        self.unconnected: list[Any] = []
        self.broken: Exception | None = None
        self._interposed: list[tuple[dict[str, Any], str, Any]] = []
        optimizer = model.optimizer
        apply = "stateless_apply" if self._functional else "apply"
        self._interpose(optimizer, apply, self._stateless_apply if self._functional else self._apply)
        for metric in loss_metrics(model):
            self._interpose(metric, "update_state", self._update_state)
        step = self._functional_step if self._functional else self._stateful_step
        self._interpose(model, "train_step", step)
        # Keras has made a train function for the bare step; it is put back when the seam closes.
        self._interpose(model, "train_function", self._train_function)
        # Keras asks for a train function when a `fit` begins: where the last one ended by an exception that
        # was raised outside the train function, it is this that tells.
        self._make_train_function = model.make_train_function
        self._interpose(model, "make_train_function", self._another_fit)
        self._functions: dict[bool, Function] = {}

    def close(self) -> None:
        """Take everything out again. Harmless when called twice."""
        while self._interposed:
            namespace, name, old = self._interposed.pop()
            if old is _ABSENT:
                namespace.pop(name, None)
            else:
                namespace[name] = old

    def _interpose(self, owner: Any, name: str, method: Callable[..., Any]) -> None:
        # Into the instance's namespace itself: `setattr` would have Keras and PyTorch track the value.
        inner = getattr(owner, name)
        namespace = vars(owner)
        self._interposed.append((namespace, name, namespace.get(name, _ABSENT)))
        namespace[name] = lambda *args, **kwargs: method(inner, *args, **kwargs)

    def _another_fit(self, _: Function, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:  # forced, which `fit` does not
            self._remade()
        else:
            self._failed(RuntimeError("training ended without notice"))
        return self._model.make_train_function(*args, **kwargs)

    # On the host: one call covers `steps_per_execution` steps.

    def _train_function(self, _: Function, *args: Any) -> Any:
        try:
            call = self._functional_call if self._functional else self._stateful_call
            known = len(self._functions)
            result = call(*args)
            self._after_step(len(self._functions) > known)
        except BaseException as error:
            if not isinstance(error, StopIteration) and type(error).__name__ != "OutOfRangeError":
                self._failed(error)
            raise
        return result

    def _function(self) -> Function:
        """The train function for a step as the tape wants it now."""
        measuring = self._tape.measuring
        one_for_both = self._tape.eager
        if (measuring or one_for_both) not in self._functions:
            namespace = vars(self._model)
            step, ours = namespace["train_step"], namespace["train_function"]

            def traced(*args: Any, **kwargs: Any) -> Any:
                self._tape.measuring = measuring
                return step(*args, **kwargs)

            if not one_for_both:
                namespace["train_step"] = traced
            namespace["train_function"] = None
            self._make_train_function()
            made = namespace["train_function"]
            namespace["train_step"], namespace["train_function"] = step, ours
            self._functions[measuring or one_for_both] = made
        return self._functions[measuring or one_for_both]

    def _stateful_call(self, data: Any) -> Any:
        data = self._before_step(data, None)
        return self._function()(data)

    def _functional_call(self, state: Any, data: Any) -> Any:
        trainable, fixed, optimizer, metrics = state
        data = self._before_step(data, (trainable, fixed))
        if not self._tape.built:
            self._tape.build([variable.shape for variable in self._model.trainable_variables])
        # The tape's values travel at the end of the optimizer's: donated, updated and handed back with them.
        own, values = len(optimizer), self._tape.values
        carried = len(self._tape.variables)
        state = (trainable, fixed, [*optimizer, *values[:carried]], metrics)
        logs, (trainable, fixed, optimizer, metrics) = self._function()(state, data)
        values[:carried] = optimizer[own:]
        return logs, (trainable, fixed, optimizer[:own], metrics)

    # In the step: traced once, or run eagerly.

    def _stateful_step(self, inner: Function, data: Any) -> Any:
        self._tracing, self._applied, self._loss, self._place = True, False, None, _place()
        try:
            logs = inner(data)
            self._safely(self._tape.write, self._loss)
        finally:
            self._tracing, self._loss = False, None
        return logs

    def _functional_step(self, inner: Function, state: Any, data: Any) -> Any:
        trainable, fixed, optimizer, metrics = state
        variables = self._tape.variables
        own = len(optimizer) - len(variables)
        optimizer, values = optimizer[:own], optimizer[own:]
        self._tracing, self._applied, self._loss, self._place = True, False, None, _place()
        try:
            self._scope = keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True)))
            logs, (trainable, fixed, optimizer, metrics) = inner((trainable, fixed, optimizer, metrics), data)
            with self._scope:
                self._safely(self._tape.write, self._loss)
            values = [self._scope.get_current_value(variable) for variable in variables]
        finally:
            self._tracing, self._loss = False, None
        return logs, (trainable, fixed, [*optimizer, *values], metrics)

    def _update_state(self, inner: Function, values: Any, *args: Any, **kwargs: Any) -> Any:
        if self._tracing:
            self._loss = values
        return inner(values, *args, **kwargs)

    def _apply(self, inner: Function, grads: Sequence[Any], trainable_variables: Any = None) -> Any:
        optimizer = self._model.optimizer
        grads = list(grads)
        variables = list(
            optimizer._trainable_variables if trainable_variables is None else trainable_variables
        )
        if not self._tracing or not grads or self._enclosed():
            return inner(grads, variables)
        self._safely(self._note_parameters, grads, variables)
        self._safely(
            lambda: self._tape.before_update(grads, variables, _learning_rate(optimizer), _scale(optimizer))
        )
        result = inner(grads, variables)
        self._safely(self._tape.after_update, variables)
        return result

    def _note_parameters(self, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
        if self._applied:
            raise UnsupportedError("the training step applies its optimizer more than once")
        known = self.parameters or (self._tape.built and self._tape.tensors == 0)
        if known and [id(v) for v in self.parameters] != [id(v) for v in variables]:
            raise UnsupportedError("the training steps apply their optimizer to different parameters")
        self._applied = True
        self.parameters = list(variables)
        self.unconnected = [v for v, gradient in zip(variables, gradients, strict=True) if gradient is None]

    def _enclosed(self) -> bool:
        """Whether the optimizer is applied in a branch or loop of the step, which what is seen there cannot leave.

        On JAX it would take the training down with it.
        """
        if _place() is self._place:
            return False
        reason = "the training step applies its optimizer in a branch, loop or compiled function of its own"
        self.broken = self.broken or UnsupportedError(reason)
        return True

    def _safely(self, action: Callable[..., None], *args: Any) -> None:
        """Run a probe in the step; where it breaks the step goes on, and the host is told by `broken`."""
        try:
            action(*args)
        except Exception as error:
            self.broken = self.broken or error  # others may follow from the first

    def _stateless_apply(
        self, inner: Function, optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> Any:
        if not self._tracing or self._enclosed():
            return inner(optimizer_variables, grads, trainable_variables)
        self._safely(self._note_parameters, grads, self._model.trainable_variables)
        self._safely(self._look_before, optimizer_variables, grads, trainable_variables)
        result = inner(optimizer_variables, grads, trainable_variables)
        self._safely(self._tape.after_update, result[0])
        return result

    def _look_before(self, optimizer_variables: Any, grads: Any, trainable_variables: Any) -> None:
        optimizer = self._model.optimizer
        mapping = list(zip(optimizer.variables, optimizer_variables, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            rate, scale = _learning_rate(optimizer), _scale(optimizer)
        with self._scope:
            self._tape.before_update(grads, trainable_variables, rate, scale)


_ABSENT = object()


def _place() -> Any:
    """The graph or trace that a value made now belongs to; None where it is computed at once.

    TensorFlow's tensors know their graph, JAX's tracers their trace, and neither backend needs to be imported for it.
    """
    value = ops.zeros(())
    graph = getattr(value, "graph", None)
    return getattr(value, "_trace", None) if graph is None else graph


def loss_metrics(model: keras.Model) -> list[keras.Metric]:
    """The metrics that a train step tells its loss: Keras's own, or a custom step's mean of that name."""
    candidates = [getattr(model, "_loss_tracker", None), *model.metrics]
    found = {
        id(metric): metric
        for metric in candidates
        if isinstance(metric, keras.metrics.Mean) and metric.name == "loss"
    }
    return list(found.values())


def _learning_rate(optimizer: keras.optimizers.Optimizer) -> Any:
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if hasattr(inner, "optimizers"):
        return None  # one rate for each of several optimizers
    rate, known = inner._learning_rate, (keras.Variable, keras.optimizers.schedules.LearningRateSchedule)
    if callable(rate) and not isinstance(rate, known):
        return None  # to call the user's function once more might change what it returns next
    return ops.copy(ops.convert_to_tensor(inner.learning_rate))


def _scale(optimizer: keras.optimizers.Optimizer) -> Any:
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        built = optimizer.built
        return ops.copy(ops.convert_to_tensor(optimizer.dynamic_scale)) if built else optimizer.initial_scale
    return optimizer.loss_scale_factor
