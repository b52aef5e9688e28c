"""Made-up runs to draw: each looks as a real one of its kind does, none needs a training."""

from dataclasses import replace

import numpy as np

from thalweg.certificate import Certificate, Claim, Outcome, Status
from thalweg.comparison import Comparison, Configuration, Member
from thalweg.examination import Curvature, Examination, Plane, Ritz, StepLimit
from thalweg.finding import Diagnosis, Evidence, Finding, Remedy, Safety, Verdict
from thalweg.record import Event, Record, Series
from thalweg.render.crossing import crossing
from thalweg.render.picture import Picture
from thalweg.study import Study
from thalweg.study_examination import FinalLosses, Line, StudyExamination

TENSORS = ("dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias", "dense_2/kernel", "dense_2/bias")
SPIKE = 777


def info(name: str = "digits", tensors: tuple[str, ...] = TENSORS) -> dict[str, object]:
    return {
        "name": name,
        "started": "2026-03-14T09:26:53+00:00",
        "source": "thalweg",
        "step_unit": "step",
        "model": {
            "name": "sequential",
            "class": "Sequential",
            "parameters": 8970,
            "trainable_parameters": 8970,
        },
        "layers": [
            {"name": layer, "class": "Dense", "activation": "relu", "units": 32, "trainable": True}
            for layer in dict.fromkeys(t.partition("/")[0] for t in tensors)
        ],
        "tensors": [
            {"name": t, "layer": t.partition("/")[0], "shape": [32, 32], "size": 1024} for t in tensors
        ],
        "optimizer": {"name": "adam", "learning_rate": 0.001, "beta_1": 0.9},
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "fit": {"epochs": 20, "steps_per_epoch": 100, "batch_size": 32, "validation": True},
        "versions": {"thalweg": "0.1.0", "python": "3.11.9", "keras": "3.15.0", "tensorflow": "2.21.0"},
        "seed": 7,
        "backend": "tensorflow",
        "device": "CPU",
        "precision": "float32",
        "initial_loss": 2.41,
        "constant_prediction_loss": 2.302,
        "data": {
            "examples": 1500,
            "inputs": [{"name": "x", "shape": [784], "dtype": "float32", "minimum": 0.0, "maximum": 1.0}],
            "targets": [{"name": "y", "kind": "classes", "classes": 10, "class_counts": [150] * 10}],
        },
        "watch": {"budget": 0.03, "stride": 4, "cost": 0.021, "probe_examples": 256},
    }


def run(
    steps: int = 2000, epochs: int = 20, tensors: tuple[str, ...] = TENSORS, seed: int = 0
) -> dict[str, Series]:
    """The series of a healthy run, to be spoiled."""
    random = np.random.default_rng(seed)
    s = np.arange(1, steps + 1)
    ends = np.linspace(0, steps, epochs + 1).astype(int)[1:]
    base = 2.3 * np.exp(-3.2 * s / steps) + 0.06
    loss = base * random.lognormal(0, 0.25, steps)
    norm = 3 * base**0.6 * random.lognormal(0, 0.3, steps)

    def series(name: str, unit: str, values: object, at: object = s) -> Series:
        return Series(name, unit, np.asarray(at), np.asarray(values, dtype=float))

    made = [
        series("loss", "loss", loss),
        series("learning_rate", "1", 1e-3 * np.exp(-2 * s / steps)),
        series("gradient_norm", "loss/parameter", norm),
        series("nonfinite_gradients", "entries", np.zeros(steps)),
        series("update_norm", "parameter", norm * 2e-3),
        series("parameter_norm", "parameter", 14 + 3 * s / steps),
        series("gradient_cosine", "cosine", np.tanh(random.normal(0.05, 0.2, steps))),
        series("epoch_loss", "loss", base[ends - 1] * 1.02, ends),
        series("validation_loss", "loss", base[ends - 1] * 1.1 + 0.05, ends),
        series("epoch_accuracy", "accuracy", 1 - 0.4 * base[ends - 1], ends),
        series("validation_accuracy", "accuracy", 0.97 - 0.38 * base[ends - 1], ends),
        series("probe_loss", "loss", [2.41, *base[ends - 1]], [0, *ends]),
        series("predicted_classes", "classes", np.full(epochs, 9.8), ends),
    ]
    for depth, tensor in enumerate(tensors):
        scale = 0.8**depth
        made += [
            series(
                f"gradient_norm/{tensor}", "loss/parameter", norm * scale * random.lognormal(0, 0.2, steps)
            ),
            series(f"update_ratio/{tensor}", "1", 1e-3 * scale * random.lognormal(0, 0.4, steps)),
            series(f"parameter_norm/{tensor}", "parameter", 5 * scale + s / steps),
            series(
                f"zero_gradient_fraction/{tensor}", "fraction", np.clip(random.normal(0.2, 0.05, steps), 0, 1)
            ),
        ]
    for depth, layer in enumerate(dict.fromkeys(t.partition("/")[0] for t in tensors)):
        made.append(series(f"dead_fraction/{layer}", "fraction", 0.03 * depth + 0.2 * ends / steps, ends))
        made.append(
            series(f"activation_spread/{layer}", "activation", 1 / (depth + 1) + 0.1 * ends / steps, ends)
        )
    return {m.name: m for m in made}


def events(steps: int = 2000, epochs: int = 20) -> list[Event]:
    ends = np.linspace(0, steps, epochs + 1).astype(int)[1:]
    return [
        Event(1, "thinned", {"stride": 4, "cost": 0.021}),
        *(Event(int(end), "epoch", {"epoch": n}) for n, end in enumerate(ends, start=1)),
        Event(steps, "finished", {"reason": "completed"}),
    ]


def well(code: str = "N001", message: str = "All 2,000 gradients were finite.") -> Finding:
    return Finding(
        code, "Non-finite values", Verdict.SATISFACTORY, message, {"looked at": Evidence(2000, "steps")}
    )


def unknown() -> Finding:
    reason = "Not assessed: the record holds no `probe_explained_variance`."
    return Finding("P002", "No better than a constant", Verdict.UNASSESSED, reason)


def healthy() -> tuple[Record, Diagnosis]:
    answer = "Yes: the loss fell from 2.36 to 0.153 in 2,000 steps, and has not yet settled."
    more = well("O001", "The validation loss was lowest at its last epoch, 0.21.")
    return Record.of(run().values(), info(), events()), Diagnosis(answer, (well(), more, unknown()))


def spike(step: int = SPIKE, name: str = "digits") -> tuple[Record, Diagnosis]:
    made = run()
    for series in list(made.values()):
        if series.quantity in ("gradient_norm", "update_norm", "loss") and len(series) == 2000:
            values = series.values.copy()
            values[step - 1] *= 190 if series.quantity != "loss" else 9
            made[series.name] = Series(series.name, series.unit, series.steps, values)
    finding = Finding(
        "G002",
        "A single-step gradient spike",
        Verdict.CONCERN,
        f"At step {step} the gradient norm was 1.45e+03, 192 times the typical 7.57.",
        {
            "gradient_norm": Evidence(1453.2, "loss/parameter", 7.57, 75.7),
            "times_the_typical": Evidence(192.0, "1", 1.0, 10.0),
            "share_in_dense_1/kernel": Evidence(0.93, "fraction", 0.31),
        },
        ("gradient_norm", "gradient_norm/dense_1/kernel", "loss"),
        step,
        "dense_1/kernel",
        (
            Remedy(
                "Look at the batch of this step for corrupt or mislabelled examples.",
                "One example with an impossible target is enough for a step this large.",
                Safety.MANUAL,
            ),
            Remedy("Clip the gradient to a norm of 23.", "It would have left every other step as it was."),
        ),
    )
    answer = (
        f"Yes, with one concern: the loss fell to 0.153, but a gradient spike at step {step} threw it back."
    )
    return Record.of(made.values(), info(name), events()), Diagnosis(answer, (finding, well(), unknown()))


def broken(step: int = 1201) -> tuple[Record, Diagnosis]:
    """A run whose loss became NaN."""
    made = run()
    for series in list(made.values()):
        values = series.values.copy()
        values[(series.steps >= step) & (series.name != "learning_rate")] = np.nan
        made[series.name] = Series(series.name, series.unit, series.steps, values)
    finding = Finding(
        "N001",
        "Values that are not finite",
        Verdict.CONCERN,
        f"At step {step:,} the loss became NaN, and 800 of 2,000 (40 %) losses were not finite.",
        {"step": Evidence(step, "step"), "losses": Evidence(800, "steps", 0, 0)},
        ("loss", "gradient_norm/dense_2/kernel"),
        step,
        "dense_2/kernel",
        (Remedy("Lower the learning rate tenfold.", "The loss grew over the 20 steps before."),),
    )
    record = Record.of(made.values(), info(), events())
    return record, Diagnosis(f"No: the loss became NaN at step {step:,}.", (finding, unknown()))


def foreign() -> tuple[Record, Diagnosis]:
    """A CSV log: epochs only."""
    loss = Series("epoch_loss", "loss", np.arange(1, 13), 2.0 / np.arange(1, 13))
    record = Record.of([loss], {"name": "history.csv", "source": "csv", "step_unit": "epoch"})
    return record, Diagnosis("Yes: the loss was still falling at epoch 12.", (well(), unknown()))


def empty() -> tuple[Record, Diagnosis]:
    return Record.of([]), Diagnosis("Nothing could be assessed: the record is empty.", (unknown(),))


def claims() -> tuple[Claim, ...]:
    eigenvalue = "loss/parameter^2"
    return (
        Claim(
            "no-trend",
            "The loss has no trend over the tail.",
            Status.ESTABLISHED,
            "Over the last 500 steps the loss changed by -0.0012 (95 % interval -0.004 to 0.0016).",
            {"change": Evidence(-0.0012, "loss", threshold=0.01), "steps": Evidence(500, "steps")},
            ("The noise of the loss forgets itself within 50 steps.",),
            "steps 1,501 to 2,000",
        ),
        Claim(
            "no-negative-curvature",
            "No direction of negative curvature was found.",
            Status.REFUTED,
            "The smallest eigenvalue of the Hessian was -0.51 ± 0.002, below -0.0912; the largest was 9.12. "
            "Along its direction the loss bends downwards.",
            {
                "smallest": Evidence(-0.51, eigenvalue, threshold=-0.0912),
                "residual": Evidence(0.002, eigenvalue),
                "largest": Evidence(9.12, eigenvalue),
                "products": Evidence(40, "products"),
            },
            (
                "The loss is twice differentiable at these weights.",
                "Where the curvature is zero the loss may still fall: this is no proof of a minimum.",
            ),
            "all 1,500 training examples, 40 products with the Hessian",
        ),
        Claim(
            "validation-agrees",
            "Validation agrees with training.",
            Status.NOT_ESTABLISHED,
            "Not looked at: no validation examples were kept.",
        ),
    )


def curvature(spread: float = 1.0) -> Curvature:
    """A bulk around zero, a few outliers, and a direction downwards; all times `spread`."""
    nodes = np.array([-0.51, -0.06, -2e-3, -1e-5, 3e-6, 4e-4, 9e-3, 0.08, 0.7, 2.4, 5.0, 9.12]) * spread
    weights = np.array([2e-4, 0.003, 0.08, 0.31, 0.32, 0.2, 0.07, 0.015, 1e-3, 3e-4, 2e-4, 1.1e-4])
    return Curvature(
        Ritz(-0.51 * spread, 0.002 * spread),
        Ritz(9.12 * spread, 0.4 * spread),
        40,
        0.01,
        0.05 * spread,
        nodes,
        weights / weights.sum(),
        np.full(len(nodes), 0.06),
        31.2 * spread,
        1.5 * spread,
    )


def plane() -> Plane:
    """A narrow valley that a path comes down, crosses a few times, and ends in."""
    across, up = np.linspace(-9.5, 2.2, 21), np.linspace(-1.6, 1.7, 21)
    x, y = np.meshgrid(across, up)
    losses = 0.06 + 0.03 * x**2 + 1.4 * (y - 0.02 * x**2 * np.sin(x)) ** 2
    losses[20, 0] = np.nan
    t = np.linspace(1.0, 0.0, 24)
    path = np.stack([-8.0 * t**1.5, 1.2 * t * np.cos(9.0 * t)], axis=1)
    steps = np.linspace(100, 2000, 24).round()
    return Plane(across, up, losses, path, steps, np.array([0.83, 0.11]), 1500)


def certified(record: Record) -> tuple[Certificate, Examination]:
    """A certificate of this record, and what was measured for it."""
    head = "Held at a saddle: the smallest eigenvalue of the Hessian was -0.51 ± 0.002, below -0.0912."
    subject = {"record": record.digest(), "weights": "ab" * 32, "examples": "cd" * 32}
    limit = StepLimit(Ritz(9.12, 0.4), 10.0, "2 / learning rate", 0.2)
    examination = Examination(
        8970, 1500, 1500, products=90, asked=100, curvature=curvature(), step_limit=limit, plane=plane()
    )
    return Certificate(Outcome.SADDLE, head, claims(), subject, "0.1.0"), examination


def edge() -> tuple[Record, Diagnosis]:
    """A run whose largest eigenvalue was followed until it met what the step bears."""
    steps = np.arange(1, 2001, 10)
    limit = np.where(steps < 1200, 20.0, 40.0)
    sharp = np.minimum(0.9 * np.exp(steps / 300), limit * (1 + 0.03 * np.sin(steps / 7.0)))
    made = [
        *run().values(),
        Series("sharpness", "loss/parameter^2", steps, sharp),
        Series("sharpness_limit", "loss/parameter^2", steps, limit),
        Series("sharpness_residual", "loss/parameter^2", steps, 0.01 * sharp),
    ]
    return Record.of(made, info(), events()), healthy()[1]


def between() -> Picture:
    """The loss from one seed's weights to another's, before and after matching."""
    t = np.linspace(0.0, 1.0, 25)
    bump = np.sin(np.pi * t) ** 2
    found = crossing(
        {"before matching": (t, 0.11 + 1.9 * bump), "after matching": (t, 0.11 + 0.08 * bump + 0.02 * t)},
        ("seed 1", "seed 2"),
    )
    assert found is not None
    return found


def line(first: int, second: int, matched: bool = True) -> Line:
    """A barrier of 2, nearly gone once hidden units are matched; groups of examples differ by 0.1."""
    t = np.linspace(0.0, 1.0, 11)
    losses = (0.1 + 2.0 * np.sin(np.pi * t) ** 2)[:, None] + np.array([-0.05, 0.05])
    found = Line(first, second, t, losses, 20.8)
    return (
        replace(found, matched=0.1 * losses, matched_distance=15.7, units=64, moved=61) if matched else found
    )


def study(
    count: int = 3, names: tuple[str, ...] = (), matched: bool = True
) -> tuple[Study, Certificate, StudyExamination]:
    """Several seeds of one training, whose certificate names the line between the second and the last."""
    record, _ = healthy()
    records = [Record.of(record.series.values(), info() | {"seed": seed}, events()) for seed in range(count)]
    made = Study(names or tuple(f"runs/digits-{n + 1}" for n in range(count)), tuple(records))
    examination = StudyExamination(
        1500,
        1500,
        "inference mode",
        asked=100,
        validation=200,
        evaluations=80,
        missing={} if matched else {"matching": "the model has two inputs"},
        subject={f"weights of {name}": "ab" * 32 for name in made.names},
        losses=FinalLosses(
            np.arange(1.0, count + 1)[:, None] * np.array([0.08, 0.12]), np.full((count, 3), 0.4)
        ),
        lines=tuple(line(a, b, matched) for b in range(count) for a in range(b)),
    )
    told = Claim(
        "same-valley",
        "The solutions lie in one valley, but for the order of hidden units.",
        Status.REFUTED,
        f"On the straight line from {made.names[1]} to {made.names[-1]} the loss rises by 0.188.",
        {"first": Evidence(made.names[1]), "second": Evidence(made.names[-1])},
        scope="all 1,500 training examples",
    )
    subject = {**made.digests, **examination.subject}
    head = f"The seeds agree: {count} runs ended at a loss of 0.1; they did not end in one valley."
    return made, Certificate(Outcome.AGREEING, head, (claims()[0], told), subject, "0.1.0"), examination


def trained(
    configuration: Configuration,
    seed: int,
    finals: float | tuple[float, ...],
    *,
    diverged: bool = False,
    validated: bool = True,
    **fate: bool,
) -> Member:
    """A training of three epochs of ten steps; its validation loss is 0.1 above the training loss that is given."""
    losses = np.array(finals if isinstance(finals, tuple) else (2.0, 1.0, finals), dtype=float)
    steps = 10 * np.arange(1, len(losses) + 1)
    curves = {"epoch_loss": Series("epoch_loss", "loss", steps, losses)}
    if validated:
        curves["validation_loss"] = Series("validation_loss", "loss", steps, losses + 0.1)
    stuck, oscillated = fate.get("stuck", False), fate.get("oscillated", False)
    return Member(
        configuration,
        seed,
        curves,
        diverged,
        oscillated,
        stuck,
        lambda: Record.of(curves.values(), info("digits"), events(30, 3)),
    )


def compared(optimizers: tuple[str, ...] = ("sgd", "adam"), **options: object) -> Comparison:
    """Three rates of each optimizer with five seeds: the second is the best, at the third all seeds diverge."""
    members = []
    for place, optimizer in enumerate(optimizers):
        for rate, level in ((0.01, 0.5), (0.1, 0.3), (1.0, np.nan)):
            for seed in range(5):
                final = level + 0.02 * place + 0.001 * seed
                members.append(
                    trained(Configuration(optimizer, rate), seed, final, diverged=rate == 1.0, **options)  # type: ignore[arg-type]
                )
    return Comparison(tuple(members))
