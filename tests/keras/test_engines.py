"""Where members are trained changes nothing of them: side by side, in processes, by `fit`; and a study goes on."""

import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

import thalweg
from thalweg import Configuration, UnsupportedError, UsageError
from thalweg.keras import engines
from thalweg.keras.kept import subject
from thalweg.keras.side_by_side import _grid, chunks, kinds
from thalweg.keras.workers import in_processes
from thalweg.store.studies import run_folder

pytestmark = pytest.mark.seam
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="populations are compiled on JAX")
elsewhere = pytest.mark.skipif(keras.backend.backend() == "jax", reason="of the other backends")

RNG = np.random.default_rng(1)
X = RNG.normal(size=(120, 6)).astype("float32")
Y = X @ RNG.normal(size=(6, 1)).astype("float32")
DATA, HELD = (X[:100], Y[:100]), (X[100:], Y[100:])
OPTIONS = {
    "validation_data": HELD,
    "optimizers": ["sgd", "adam"],
    "learning_rates": [0.01, 0.1],
    "schedules": ["cosine"],
    "seeds": 2,
    "epochs": 2,
}


def build() -> keras.Model:
    model = keras.Sequential([layers.Input((6,)), layers.Dense(8, "tanh"), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def finals(study) -> dict:
    return {(m.configuration, m.seed): (m.final("epoch_loss"), m.final("validation_loss")) for m in study}


def alike(one, other) -> None:
    assert one.keys() == other.keys()
    for key, values in one.items():
        assert values == pytest.approx(other[key], rel=1e-4), key


TASKS = [(Configuration("sgd", rate), seed) for rate in (0.1, 0.2, 0.3) for seed in (0, 1, 2, 3)]


def test_chunks_have_one_shape_and_hold_each_training_once() -> None:
    ((kind, tasks),) = kinds(TASKS)
    assert kind == ("sgd", 32) and [seed for _, seed in tasks] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    for width, shape, count in (
        (100, (4, 3), 1),
        (9, (2, 3), 2),
        (6, (2, 3), 2),
        (3, (1, 3), 4),
        (2, (1, 2), 8),
    ):
        found = chunks(tasks, width)
        assert found[0] == shape and len(found[1]) == count, width
        assert sorted(task for chunk in found[1] for task in chunk) == sorted(TASKS)


def test_a_grid_repeats_what_is_there_where_it_is_not_full() -> None:
    ((_, tasks),) = kinds([*TASKS[:1], *TASKS[4:6]])  # seed 0 twice, seed 1 once
    assert _grid(tasks, range(3)).tolist() == [[0, 1], [2, 2]]
    assert _grid(tasks, range(3), (3, 3)).tolist() == [[0, 1, 0], [2, 2, 2], [0, 1, 0]]
    assert _grid(tasks, [1, 2]).tolist() == [[1], [2]]


@on_jax
def test_the_width_changes_nothing(monkeypatch) -> None:
    wide = finals(thalweg.compare(build, DATA, **OPTIONS))
    monkeypatch.setattr(engines, "_memory", lambda: 1)
    alike(finals(thalweg.compare(build, DATA, **OPTIONS)), wide)


@on_jax
def test_other_widths_are_tried_and_processes_take_over(monkeypatch) -> None:
    wide = finals(thalweg.compare(build, DATA, **OPTIONS))
    monkeypatch.setattr(engines, "WIDTH", 2)
    monkeypatch.setattr(engines, "_WORTH_COMPILING", -1e9)
    tried, here = [], []
    fastest, train = engines.SideBySide.fastest, engines.SideBySide.train
    monkeypatch.setattr(
        engines.SideBySide, "fastest", lambda self, *given: tried.append(fastest(self, *given)) or tried[-1]
    )
    monkeypatch.setattr(
        engines.SideBySide, "train", lambda self, *given: here.append(1) or train(self, *given)
    )
    monkeypatch.setattr(engines, "_IDLE", 0.0)
    cores_in_use(monkeypatch, 2.0)
    alike(finals(thalweg.compare(build, DATA, workers=2, **OPTIONS)), wide)
    assert len(tried) == 2 and set(tried) <= {1, 2}
    assert len(here) > 2  # none elsewhere: no core is idle
    here.clear()
    cores_in_use(monkeypatch, 0.0)
    alike(finals(thalweg.compare(build, DATA, workers=2, **OPTIONS)), wide)
    assert len(here) == 1  # all others elsewhere


def cores_in_use(monkeypatch, share: float) -> None:
    """The processor's clock runs as if this share of all cores were busy."""
    clock = time.perf_counter
    fast = SimpleNamespace(perf_counter=clock, process_time=lambda: share * engines.cores() * clock())
    monkeypatch.setattr(engines, "time", fast)


def test_fit_in_workers_is_the_same_training(tmp_path) -> None:
    study = thalweg.compare(
        build,
        DATA,
        **{**OPTIONS, "optimizers": ["adam"], "seeds": [3]},
        engine="fit",
        workers=2,
        folder=tmp_path,
    )
    member = next(m for m in study if m.configuration.learning_rate == 0.1)
    assert member.backend == keras.backend.backend()
    keras.utils.set_random_seed(3)
    alone = build()
    alone.optimizer = keras.optimizers.Adam(0.1)
    steps, losses = 4, []
    table = 0.05 * (1.0 + np.cos(np.pi * np.arange(2 * steps) / (2 * steps)))
    for step, rate in enumerate(table):
        rows = np.random.default_rng([3, step // steps]).permutation(100)[step % steps * 32 :][:32]
        alone.optimizer.learning_rate = rate
        losses.append(float(alone.train_on_batch(X[rows], Y[rows])[0]))
        alone.reset_metrics()
    np.testing.assert_allclose(member.record.series["loss"].values, losses, rtol=1e-4)
    np.testing.assert_allclose(member.record.series["learning_rate"].values, table, rtol=1e-5)
    assert member.final("validation_loss") == pytest.approx(alone.evaluate(*HELD, verbose=0)[0], rel=1e-4)
    assert member.record.info["name"] == "adam 0.1, seed 3"
    claims = {claim.name: claim for claim in thalweg.certify(member, products=20).claims}
    assert claims["gradient-zero"].evidence, claims["gradient-zero"].message
    assert (member.folder / "model.npz").is_file()


def test_fit_gives_up_what_diverges() -> None:
    options = {
        **OPTIONS,
        "optimizers": ["sgd"],
        "learning_rates": [50.0],
        "schedules": ["constant"],
        "seeds": 1,
    }
    (member,) = thalweg.compare(build, DATA, **{**options, "epochs": 6}, engine="fit", workers=1)
    assert member.diverged and len(member.curves["epoch_loss"]) < 6


@elsewhere
def test_populations_are_trained_on_jax_elsewhere() -> None:
    study = thalweg.compare(build, DATA, **{**OPTIONS, "optimizers": ["sgd"]}, engine="vmap", workers=1)
    assert {member.backend for member in study} == {"jax"}
    assert all(np.isfinite(member.final("validation_loss")) for member in study)


@on_jax
def test_a_study_goes_on_and_trains_no_member_twice(tmp_path) -> None:
    first = thalweg.compare(build, DATA, **{**OPTIONS, "seeds": 1}, folder=tmp_path)
    told = []
    more = thalweg.compare(build, DATA, **OPTIONS, folder=tmp_path, progress=told.append)
    assert (told[0].done, told[0].total, told[0].share) == (4, 8, 0.5)
    assert [member.folder.name for member in more][:4] == [member.folder.name for member in first]
    assert len(more) == 8
    alike(finals(more), finals(thalweg.compare(build, DATA, **OPTIONS)))
    told.clear()
    thalweg.compare(build, DATA, **OPTIONS, folder=tmp_path, progress=told.append)
    assert [one.done for one in told] == [8]


@on_jax
@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"data": (X[:99], Y[:99])}, "training data"),
        ({"epochs": 3}, "epochs"),
        ({"shuffle": "once"}, "order of the examples"),
        ({"validation_data": None}, "validation data"),
    ],
)
def test_another_training_has_a_study_of_its_own(tmp_path, changed: dict, what: str) -> None:
    given = {"data": DATA, **OPTIONS, "seeds": 1, "learning_rates": [0.1], "folder": tmp_path}
    thalweg.compare(build, **given)
    with pytest.raises(UsageError, match=f"another training .*{what}"):
        thalweg.compare(build, **{**given, **changed})

    def other() -> keras.Model:
        model = keras.Sequential([layers.Input((6,)), layers.Dense(9, "tanh"), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    with pytest.raises(UsageError, match=r"another training .*model"):
        thalweg.compare(other, **given)


@on_jax
def test_each_member_keeps_its_own_model(tmp_path) -> None:
    study = thalweg.compare(build, DATA, **{**OPTIONS, "schedules": ["constant"]}, folder=tmp_path)
    for member in study:
        folder = run_folder(tmp_path, int(member.folder.name))
        model = subject(folder, member.record.info["kept"]).model
        assert model.evaluate(*HELD, verbose=0)[0] == pytest.approx(member.final("validation_loss"), rel=1e-4)
        assert float(model.optimizer.learning_rate) == pytest.approx(member.configuration.learning_rate)
        assert type(model.optimizer).__name__.lower() == member.configuration.optimizer


@on_jax
def test_a_member_can_be_certified(tmp_path) -> None:
    options = {**OPTIONS, "optimizers": ["adam"], "learning_rates": [0.05], "seeds": 1, "epochs": 5}
    (member,) = thalweg.compare(build, DATA, **options, folder=tmp_path)
    found = {claim.name: claim for claim in thalweg.certify(member, products=30).claims}
    assert found["gradient-zero"].evidence


@on_jax
def test_a_model_without_a_configuration_is_trained_and_not_kept() -> None:
    class Scale(layers.Layer):
        def __init__(self, scaled) -> None:
            super().__init__()
            self.scaled = scaled

        def call(self, inputs):
            return self.scaled(inputs)

    def scaled() -> keras.Model:
        model = keras.Sequential([layers.Input((6,)), Scale(lambda inputs: 2.0 * inputs), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    options = {"optimizers": ["sgd"], "learning_rates": [0.01], "seeds": 2, "epochs": 1}
    study = thalweg.compare(scaled, DATA, **options)
    assert "could not be kept (NotImplementedError" in study.members[0].record.info["kept"]["model"]
    examination, certificate = study.best_valleys()
    assert examination is not None and "no model was kept" in examination.missing["model"]
    assert certificate is None


@on_jax
def test_classes_are_weighted_as_fit_weights_them() -> None:
    labels = (Y[:100, 0] > 0).astype(int)

    def classes() -> keras.Model:
        model = keras.Sequential([layers.Input((6,)), layers.Dense(2, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    options = {"optimizers": ["sgd"], "learning_rates": [0.1], "batch_sizes": [100], "seeds": 1, "epochs": 2}
    (member,) = thalweg.compare(classes, (X[:100], labels), class_weight={0: 3.0, 1: 0.5}, **options)
    keras.utils.set_random_seed(0)
    alone = classes()
    alone.optimizer = keras.optimizers.SGD(0.1)
    told = alone.fit(X[:100], labels, batch_size=100, epochs=2, class_weight={0: 3.0, 1: 0.5}, verbose=0)
    assert member.curves["epoch_loss"].values.tolist() == pytest.approx(told.history["loss"], rel=1e-5)


def dying(folder: str, job: int) -> int:
    """A worker that is killed at its first job, and always at job 99."""
    mark = Path(folder) / "killed"
    if job == 99 or not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return job * job


@on_jax  # of each backend alike, and four processes that load it
def test_what_a_killed_worker_left_is_done_by_others(tmp_path) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parent)}
    found = list(in_processes(dying, str(tmp_path), [1, 2, 3], 2, environment))
    assert sorted(found) == [1, 4, 9]
    with pytest.raises(UnsupportedError, match="worker process died"):
        list(in_processes(dying, str(tmp_path), [99], 2, environment))


def test_what_cannot_be_sent_is_said(tmp_path) -> None:
    with pytest.raises(UnsupportedError, match="cannot be sent to another process"):
        list(in_processes(dying, threading.Lock(), [1], 1, {}))
