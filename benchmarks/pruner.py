"""Which trials does a pruner end, which of them wrongly, and what does it save? The tables of docs/optuna.md.

    python benchmarks/pruner.py                # about five minutes on one core
    python benchmarks/pruner.py --curves DIR   # keeps the trained curves, and takes them from there the next time
    python benchmarks/pruner.py --tune         # other tasks and seeds: those with which the thresholds were chosen

Trials are trained to their end first, so that it is known what became of each, and then replayed to Optuna in the
order of a random search: after each epoch the validation loss (or accuracy) is reported, and the pruner asked.

- *ended wrongly*: trained on, the trial would have reported a value better than its best so far by more than its
  noise (the scatter of its second differences over the root of 6) and by more than 1 % of what the best trial of its
  study gained; in the column beside it, by more than its noise alone.
- *overtaken*: trained on, it would have ended better than all trials completed before it.
- *hopeless*: ended not finite, or gained less than half of what the best trial of its study did.
- *lost*: a study whose best trial was ended. *Saved*: steps not trained, of all.

The curves: networks of one and three hidden layers on tables, pictures and text, 40 random optimizers and learning
rates from 1e-5 to 10 for each of four schedules, and a fifth study of all schedules; and those of the shared folder
(THALWEG_SHARED): 8 language models of 189 to 200 epochs, whose rate falls twice, as one study in 6 orders, and the
runs of Keras, each alone, and beside a rival that gained twice as much in its first epoch.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

TRIALS = 40
EPOCHS = 30
SCHEDULES = ("constant", "cosine", "steps", "warm-up")
SHARED = Path(os.environ.get("THALWEG_SHARED") or Path(__file__).resolve().parents[2] / "shared")
Array = np.ndarray


@dataclass(frozen=True)
class Trials:
    """The trials of one study: `values` a row a trial, as they are reported, `better` the sign of improvement."""

    name: str
    values: Sequence[Array]
    better: float = -1.0


def shared(name: str) -> Path:
    return SHARED / "data" / name


def pictures(name: str) -> tuple[Array, Array, int]:
    with np.load(shared(f"{name}.npz")) as arrays:
        x, y = arrays["x_train"][:2_000], arrays["y_train"][:2_000].ravel()
    return x.reshape(len(x), -1).astype("float32") / 255.0, y.astype("int64"), 10


def table(name: str, target: int, rows: int = 2_000) -> tuple[Array, Array, int]:
    lines = shared(f"tabular/{name}.csv").read_text(encoding="utf-8").splitlines()
    cells = [line.split(",") for line in lines if line]
    kept = []
    for row in cells:
        try:
            kept.append([float(cell) for cell in row[:9] if cell not in "MFI"])
        except ValueError:
            continue
    numbers = np.array([row for row in kept if len(row) == len(kept[-1])], "float32")
    numbers = numbers[np.random.default_rng(0).permutation(len(numbers))[:rows]]
    numbers = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    return np.delete(numbers, target, axis=1), numbers[:, target], 0


def letters() -> tuple[Array, Array, int]:
    text = shared("text/tinyshakespeare.txt").read_text(encoding="utf-8")[:200_000].lower()
    known = sorted(set(text))
    codes = np.array([known.index(letter) for letter in text])
    starts = np.random.default_rng(0).choice(len(codes) - 5, 2_000, replace=False)
    x = np.eye(len(known), dtype="float32")[np.stack([codes[s : s + 4] for s in starts])]
    return x.reshape(len(x), -1), codes[starts + 4], len(known)


def digits() -> tuple[Array, Array, int]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.data / 16.0).astype("float32"), found.target, 10


def friedman() -> tuple[Array, Array, int]:
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(1_500, noise=1.0, random_state=5)
    return x.astype("float32"), ((y - 14.4) / 5.0).astype("float32"), 0


def clusters() -> tuple[Array, Array, int]:
    from sklearn.datasets import make_classification

    x, y = make_classification(2_000, 20, n_informative=10, n_classes=4, flip_y=0.1, random_state=5)
    return x.astype("float32"), y, 4


def noise() -> tuple[Array, Array, int]:
    from sklearn.datasets import make_classification

    x, y = make_classification(600, 40, n_informative=4, n_classes=2, flip_y=0.3, random_state=6)
    return x.astype("float32"), y, 2


Task = Callable[[], tuple[Array, Array, int]]
TASKS: dict[str, tuple[Task, int]] = {
    "houses": (lambda: table("california-housing", 8), 1),
    "MNIST": (lambda: pictures("mnist"), 1),
    "Fashion-MNIST": (lambda: pictures("fashion_mnist"), 3),
    "letters": (letters, 1),
    "abalone": (lambda: table("abalone", 7), 3),
}
TUNING: dict[str, tuple[Task, int]] = {
    "digits": (digits, 1),
    "digits, deep": (digits, 3),
    "friedman": (friedman, 3),
    "clusters": (clusters, 1),
    "noisy labels": (noise, 1),
}


def _pruners() -> dict[str, Callable[[], object]]:
    import optuna

    from thalweg.optuna import ConvergencePruner

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return {
        "none": optuna.pruners.NopPruner,
        "Optuna's median": optuna.pruners.MedianPruner,
        "Thalweg's": ConvergencePruner,
        "Thalweg's, `share=0.1`": lambda: ConvergencePruner(share=0.1),
    }


def steps(rate: float, count: int) -> object:
    """A tenth at half of the training, a hundredth at three quarters."""
    import keras

    places = [count // 2, count * 3 // 4]
    return keras.optimizers.schedules.PiecewiseConstantDecay(places, [rate, 0.1 * rate, 0.01 * rate])


def trained(task: Task, depth: int, seed: int) -> Iterator[Trials]:
    """The studies of one task, one for each schedule and one in which it is searched too."""
    import keras

    import thalweg

    x, y, classes = task()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    x, y = x[order], y[order]
    held = len(x) // 4

    def build() -> keras.Model:
        hidden = [keras.layers.Dense(32, "relu") for _ in range(depth)]
        last = keras.layers.Dense(classes, "softmax") if classes else keras.layers.Dense(1)
        model = keras.Sequential([keras.layers.Input(x.shape[1:]), *hidden, last])
        kind = ("sparse_categorical_crossentropy", ["accuracy"]) if classes else ("mse", [])
        model.compile("sgd", kind[0], metrics=kind[1])
        return model

    named = {"constant": "constant", "cosine": "cosine", "steps": steps, "warm-up": "warm-up"}
    chosen = [
        thalweg.Configuration(
            str(rng.choice(["sgd", "momentum", "adam"])),
            float(10.0 ** rng.uniform(-5, 1)),
            name,
            batch_size=64,
        )
        for name in SCHEDULES
        for _ in range(TRIALS)
    ]
    found = thalweg.compare(
        build,
        (x[held:], y[held:]),
        validation_data=(x[:held], y[:held]),
        optimizers=["sgd", "momentum", "adam"],
        schedules=list(named.values()),
        batch_sizes=[64],
        seeds=[seed],
        epochs=EPOCHS,
        configurations=chosen,
    )
    curves = {member.configuration: member.curves for member in found}
    for quantity, better in (("validation_loss", -1.0), ("validation_accuracy", 1.0)):
        if quantity not in curves[chosen[0]]:
            continue
        rows = {name: [] for name in SCHEDULES}
        for one in chosen:
            seen = curves[one][quantity].values
            # What was given up would have gone on as it was: not finite, or far away.
            rest = np.full(EPOCHS - len(seen), seen[-1])
            rows[one.schedule].append(np.concatenate([seen, rest]))
        word = "loss" if better < 0 else "accuracy"
        for name in SCHEDULES:
            yield Trials(f"{name}, {word}", np.array(rows[name]), better)
        mixed = np.concatenate([np.array(rows[name])[: TRIALS // 4] for name in SCHEDULES])
        yield Trials(f"mixed, {word}", rng.permutation(mixed), better)


def published() -> Iterator[tuple[str, list[Trials]]]:
    """Curves that others published, as studies."""
    curves = {}
    for path in sorted(shared("curves").glob("*.csv")):
        rows = path.read_text(encoding="utf-8").splitlines()[1:]
        curves[path.stem] = np.array([float(row.split(",")[2]) for row in rows])
    models = [values for name, values in curves.items() if name.startswith("ptb")]
    rng = np.random.default_rng(7)
    yield "language models", [Trials("", [models[i] for i in rng.permutation(8)]) for _ in range(6)]
    runs = [values for name, values in curves.items() if not name.startswith("ptb") and np.ptp(values) > 0.0]
    yield "runs of Keras, alone", [Trials("", [values]) for values in runs]
    beside = []
    for values in runs:
        rival = np.full(len(values), 2.0 * values.min() - values[0])
        rival[0] = values[0]
        beside.append(Trials("", [rival, values]))
    yield "runs of Keras, beside a rival", beside


@dataclass
class Counts:
    """What a pruner did to the trials of some studies."""

    trials: int = 0
    hopeless: int = 0
    steps: int = 0
    ended: int = 0
    wrongly: int = 0
    better: int = 0
    overtaken: int = 0
    hopeless_ended: int = 0
    saved: int = 0
    lost: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def row(self) -> str:
        def share(part: int, whole: int) -> str:
            return f"{part:,} of {whole:,} ({100 * part / max(whole, 1):.3g} %)"

        return " | ".join(
            [
                share(self.ended, self.trials),
                share(self.wrongly, self.ended),
                share(self.better, self.ended),
                share(self.overtaken, self.ended),
                share(self.hopeless_ended, self.hopeless),
                f"{100 * self.saved / self.steps:.3g} %",
                f"{self.lost}",
            ]
        )


def noise(losses: Array) -> float:
    """The standard deviation of independent noise, of its second differences' median size."""
    known = losses[np.isfinite(losses)]
    return 1.4826 * float(np.median(np.abs(np.diff(known, 2)))) / np.sqrt(6.0) if len(known) > 2 else 0.0


def replay(trials: Trials, pruner: object, counts: Counts) -> None:
    """Tell a study of Optuna what these trials reported, one after another."""
    import optuna

    study = optuna.create_study(
        direction="minimize" if trials.better < 0.0 else "maximize",
        pruner=pruner,
        sampler=optuna.samplers.RandomSampler(seed=0),
    )
    losses = [-trials.better * values for values in trials.values]
    ends = np.array([each[-1] if np.isfinite(each[-1]) else np.inf for each in losses])
    best, first = float(ends.min()), float(np.nanmedian([each[0] for each in losses]))
    gained, done = first - best, np.inf
    for values, fallen, end in zip(trials.values, losses, ends, strict=True):
        trial, last = study.ask(), len(values)
        hopeless = len(losses) > 2 and not end < first - 0.5 * gained
        counts.trials, counts.steps = counts.trials + 1, counts.steps + last
        counts.hopeless += hopeless
        for step, value in enumerate(values, 1):
            trial.report(value, step)
            if step < last and trial.should_prune():
                break
        if step == last:
            study.tell(trial, values[-1] if np.isfinite(values[-1]) else None, state=_state(values[-1]))
            done = min(done, end)
            continue
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        so_far = float(np.min(fallen[:step], where=np.isfinite(fallen[:step]), initial=np.inf))
        after = float(np.min(fallen[step:], where=np.isfinite(fallen[step:]), initial=np.inf))
        better = np.isfinite(after) and so_far - after > noise(fallen)
        counts.ended, counts.saved = counts.ended + 1, counts.saved + last - step
        counts.better += better
        counts.wrongly += better and so_far - after > 0.01 * gained
        counts.overtaken += end < done and np.isfinite(done)
        counts.hopeless_ended += hopeless
        counts.lost += end <= best


def _state(value: float) -> object:
    from optuna.trial import TrialState

    return TrialState.COMPLETE if np.isfinite(value) else TrialState.FAIL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--curves", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)  # of Optuna's own pruner
    began = time.perf_counter()
    studies = {}
    for number, (name, (task, depth)) in enumerate((TUNING if options.tune else TASKS).items()):
        kept = options.curves and options.curves / f"{name}.npz"
        if kept and kept.exists():
            with np.load(kept) as arrays:
                studies[name] = [Trials(k, arrays[k], 1.0 if "accuracy" in k else -1.0) for k in arrays]
            continue
        studies[name] = list(trained(task, depth, (1_000 if options.tune else 2_000) + number))
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, **{each.name: each.values for each in studies[name]})
    every = [trials for found in studies.values() for trials in found]
    groups = {
        "validation loss": [trials for trials in every if trials.better < 0.0],
        "validation accuracy": [trials for trials in every if trials.better > 0.0],
    }
    for schedule in (*SCHEDULES, "mixed"):
        named = f"{schedule}, loss"
        groups[f"validation loss, {schedule}"] = [trials for trials in every if trials.name == named]
    groups |= {} if options.tune else dict(published())
    columns = ("curves (studies)", "pruner", "ended", "of them wrongly", "better at all", "overtaken")
    print(f"| {' | '.join([*columns, 'of the hopeless ended', 'saved', 'lost'])} |")
    print("|---" * 9 + "|")
    known: dict[tuple[int, str], Counts] = {}
    for group, found in groups.items():
        for name, make in _pruners().items():
            total = Counts()
            for trials in found:
                key = id(trials), name
                if key not in known:
                    known[key] = Counts()
                    replay(trials, make(), known[key])
                total += known[key]
            print(f"| {group} ({len(found)}) | {name} | {total.row()} |", flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
