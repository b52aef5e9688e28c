"""K010: evaluated and saved beside the average."""

from dataclasses import dataclass

from thalweg.finding import Evidence, Family, Finding, Remedy, Verdict
from thalweg.record import Record
from thalweg.rule import Rule
from thalweg.rules.objective import fact, rows

_SWITCH = (
    "for y, z in zip(model.trainable_variables, model.optimizer._momentums): "
    "y.assign((y - (1 - model.optimizer.beta_1) * z) / model.optimizer.beta_1)"
)


@dataclass(frozen=True)
class ScheduleFree(Rule):
    """Evaluated and saved beside the average.

    ## What it asks

    Does the run use `ScheduleFreeAdamW`, whose average nobody puts into the model?

    ## Why it matters

    The method keeps three points: y, where gradients are taken, z, where they are applied, and the average x,
    which is its answer. Keras holds y in the model: validation, `evaluate`, `predict` and `save` all use
    it, and Keras has no switch to x. The learning rate never falls, so y keeps the noise that x averages out.

    ## How it is decided

    From the optimizer's class and the backend. On JAX the average is the method's, and was the better point
    in 9 of 9 small runs, by 1 to 12 % of the loss. On TensorFlow and PyTorch, Keras 3.15 reads z after it has
    changed it: what it averages is not x, the switch made 14 of 19 runs worse, and y is the better answer.
    That is said, and is no concern. Where a callback that is not Keras's runs beside it, it may do the switch, and
    nothing is claimed; with `use_ema` Keras keeps an average of its own, and puts it in at the end.

    ## Thresholds

    None. A contract is read, no statistic is estimated. Rates: docs/calibration.md.

    ## Known limits

    A script that switches after `fit` has returned is not seen. With `beta_1` = 0.9, y lies nine tenths of the
    way from z to x, so little is lost at small learning rates.

    ## What to do

    Put x into the model before it is evaluated or saved; train on from y.

    ## References

    Defazio et al., *The Road Less Scheduled*, NeurIPS 2024; Keras, `keras/src/optimizers/schedule_free_adamw.py`.
    """

    code = "K010"
    title = "Evaluated and saved beside the average"
    family = Family.CALLBACKS
    before = True

    def assess(self, record: Record) -> Finding:
        """The optimizer's class, and what might do the switch."""
        name = fact(record, "optimizer", "class") or fact(record, "optimizer", "name")
        if not isinstance(name, str):
            return self.unassessed("Not assessed: the record does not name the optimizer.")
        if name.lower() != "schedulefreeadamw":
            return self.unassessed("Not assessed: the optimizer is not `ScheduleFreeAdamW`.")
        if fact(record, "optimizer", "use_ema") is True:
            return self.finding(
                Verdict.SATISFACTORY,
                "The optimizer, `{optimizer}`, ran with `use_ema`, whose average Keras puts into the model.",
                {"optimizer": Evidence(name)},
            )
        if any(row.get("own") is True for row in rows(record, "callbacks")):
            return self.unassessed(
                "Not assessed: a callback that is not Keras's may put the average into the model."
            )
        if fact(record, "backend") != "jax":
            return self.finding(
                Verdict.SATISFACTORY,
                "The optimizer `{optimizer}` was evaluated where its gradients are taken, not at its average. On "
                "this backend Keras's average is not the method's, and no better.",
                {"optimizer": Evidence(name)},
            )
        return self.finding(
            Verdict.CONCERN,
            "The optimizer `{optimizer}` was evaluated and is saved at the point where its gradients are "
            "taken, not at the average that is its answer: Keras has no switch between them.",
            {"optimizer": Evidence(name)},
            series=("validation_loss",),
            remedies=(
                Remedy(
                    "Put the average into the model before it is evaluated or saved.",
                    "It is what the method converges to.",
                    code=_SWITCH,
                ),
                Remedy(
                    "Use `AdamW` with a schedule.",
                    "Its weights need no switch.",
                    code="keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(1e-3, steps))",
                ),
            ),
        )
