"""K002: a learning rate that was called once."""

from dataclasses import dataclass

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import fact

_NAMES = {"tensorflow": "TensorFlow", "jax": "JAX"}


@dataclass(frozen=True)
class FrozenRate(Rule):
    """A learning rate that was called once.

    ## What it asks

    Is the learning rate a Python callable that Keras calls while it traces the training step, and never
    again?

    ## Why it matters

    The decay, warm-up or cycle that it was meant to make never happens: all steps use the number that the
    first call returned. Nothing says so, and Keras's error text promises that the callable is given the
    current iteration, which it is not.

    ## How it is decided

    From the configuration: a callable rate, a compiled step (TensorFlow and JAX without `run_eagerly`), and
    code that reads nothing but plain Python values, which a traced step cannot read anew. Its code is looked
    at and it is not called, for a call may change it.

    ## Thresholds

    None. A contract is read, no statistic is estimated. Rates: docs/calibration.md.

    ## Known limits

    A callable that reads a variable of the backend may be traced, and one that reads nothing always returns
    the same: neither is a concern. One that reads a number that nobody ever changes is named although
    nothing is lost.

    ## What to do

    Use a `LearningRateSchedule`, which is traced with the optimizer's own counter.

    ## References

    Keras, `keras/src/optimizers/base_optimizer.py` (`_get_current_learning_rate`); TensorFlow issue 31323.
    """

    code = "K002"
    title = "A learning rate that was called once"
    family = Family.CALLBACKS
    before = True

    def assess(self, record: Record) -> Finding:
        """The kind of the rate, and whether the step is traced."""
        kind = fact(record, "optimizer", "rate_kind")
        if kind not in ("constant", "schedule", "callable"):
            return self.unassessed("Not assessed: what kind of learning rate the optimizer has is not known.")
        if kind != "callable":
            return self.unassessed("Not assessed: the learning rate was no callable.")
        reads, backend = fact(record, "optimizer", "rate_reads"), fact(record, "backend")
        evidence = {"backend": Evidence(_NAMES.get(str(backend), str(backend)))}
        if backend == "torch" or fact(record, "fit", "run_eagerly") is True:
            return self.finding(
                Verdict.SATISFACTORY, "The learning rate was a callable, called anew at every step.", evidence
            )
        if reads == "nothing":
            return self.finding(
                Verdict.SATISFACTORY,
                "The learning rate was a callable that reads nothing: it always returned the same.",
                evidence,
            )
        if reads != "python" or backend not in _NAMES:
            return self.unassessed(
                "Not assessed: the learning rate was a callable, and whether a traced step reads it anew is "
                "not known."
            )
        return self.finding(
            Verdict.CONCERN,
            "The learning rate was a callable of plain Python: {backend} calls it once, while it traces the step, "
            "and every step uses what that call returned.",
            evidence,
            series=("learning_rate",),
            remedies=(
                Remedy(
                    "Give the optimizer a schedule.",
                    "A `LearningRateSchedule` is traced with the optimizer's counter of steps.",
                    code="keras.optimizers.schedules.ExponentialDecay(1e-3, decay_steps=1000, decay_rate=0.9)",
                ),
                Remedy(
                    "Give the optimizer a number, and set it once an epoch with `LearningRateScheduler`.",
                    "The callback runs outside the traced step.",
                    code="keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)",
                ),
            ),
        )
