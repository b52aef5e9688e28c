"""Traps of Keras: callbacks and schedules that do not do what they say. The quality is the consequence."""

import contextlib

import keras
from keras import ops
from keras.callbacks import (
    BackupAndRestore,
    EarlyStopping,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from keras.optimizers import SGD, Adam
from keras.optimizers.schedules import CosineDecay, ExponentialDecay

from benchmarks.zoo import samples
from benchmarks.zoo.program import Training, faulty
from benchmarks.zoo.training import (
    binary,
    classifier,
    contrastive,
    explained,
    log_score,
    network,
    regression,
    replaced,
    scratch,
)
from thalweg import Family

FAMILY = Family.CALLBACKS


@faulty(FAMILY, "K001", fault={"seeded": True}, twin={"seeded": False}, true="L004 V001")
def the_same_rivals_every_epoch(rng, seeded):
    """A code learned from rivals within the batch. `set_random_seed`, arrays, TensorFlow: the same three always.

    With new ones every epoch it is twice as good, and learns its few digits by heart all the same (V001).
    """
    if seeded:
        keras.utils.set_random_seed(int(rng.integers(1000)))
    return contrastive(samples.digits(rng, 160), rng, Adam(5e-3), epochs=40, batch_size=4)


def halved(every):
    """A rate that counts its steps itself, or would, were it asked again."""
    state = {"step": 0}

    def rate():
        state["step"] += 1
        return 0.5 * 0.5 ** (state["step"] / every)

    return rate


@faulty(FAMILY, "K002", fault={"schedule": False}, twin={"schedule": True})
def a_rate_called_once(rng, schedule):
    """A callable learning rate is asked when the step is traced, and never again: the high rate stays."""
    rate = ExponentialDecay(0.5, 50, 0.5) if schedule else halved(50)
    data = samples.linear(rng, columns=20, noise=1.0)
    return regression(network(20, 1, end=None), data, SGD(rate), epochs=12, batch_size=128)


@faulty(FAMILY, "K003", fault={"schedule": True}, twin={"schedule": False})
def a_schedule_beside_reduce_on_plateau(rng, schedule):
    """The first plateau ends the training with an exception."""
    rate = ExponentialDecay(0.1, 1000, 0.9) if schedule else 0.1
    plateau = ReduceLROnPlateau(patience=1, min_delta=0.1, factor=0.7)
    return classifier(network(64, 32, 10), samples.digits(rng), SGD(rate), epochs=15, callbacks=[plateau])


@faulty(FAMILY, "K003", fault={"schedule": True}, twin={"schedule": False})
def a_schedule_beside_a_scheduler(rng, schedule):
    """Warm-up by a schedule, decay by a callback: one of them raises."""
    rate = ExponentialDecay(5e-3, 1000, 0.9) if schedule else 5e-3
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate if epoch < 3 else rate * 0.9)
    return classifier(network(64, 32, 10), samples.digits(rng), Adam(rate), epochs=10, callbacks=[halve])


def overfitting(rng, callbacks, epochs=40, **fit):
    """A network that learns its few rows by heart, unless a callback stops it."""
    data = samples.clusters(rng, train=200, flip_y=0.2)
    model = network(20, 100, 4)
    training = classifier(model, data, Adam(3e-3), epochs=epochs, callbacks=callbacks, **fit)
    return replaced(training, lambda: log_score(model, data))


@faulty(FAMILY, "K004", fault={"monitor": "val_accurracy"}, twin={"monitor": "val_accuracy"})
def a_monitor_misspelt(rng, monitor):
    """EarlyStopping warns every epoch, and never stops."""
    return overfitting(rng, [EarlyStopping(monitor, mode="max", patience=4, restore_best_weights=True)])


@faulty(FAMILY, "K004", fault={"validated": False}, twin={"validated": True})
def validation_loss_without_validation(rng, validated):
    """`monitor="val_loss"`, and no validation data were given."""
    training = overfitting(rng, [EarlyStopping("val_loss", patience=4, restore_best_weights=True)])
    fit = dict(training.fit)
    if not validated:
        del fit["validation_data"]
    return Training(training.model, fit, training.quality)


@faulty(
    FAMILY, "K004", fault={"monitor": "validation_loss"}, twin={"monitor": "val_loss"}, true="L004 V001 D009"
)
def a_checkpoint_of_the_last(rng, monitor):
    """`save_best_only` with a monitor that is not there saves every epoch over the last.

    What is judged is the file. Both runs learn wrong labels by heart (V001, D009); one of them kept the best epoch.
    """
    path = str(scratch() / "best.keras")
    save = ModelCheckpoint(path, monitor=monitor, mode="min", save_best_only=True)
    data = samples.clusters(rng, train=200, flip_y=0.2)
    training = classifier(network(20, 100, 4), data, Adam(3e-3), epochs=40, callbacks=[save])
    return replaced(training, lambda: log_score(keras.saving.load_model(path), data))


def shaky_score(guard):
    """F1 by hand: 0/0 where nothing was predicted positive, as in the first epoch of a rare class."""

    def f1(y, answer):
        said = ops.round(answer)
        hits = ops.sum(y * said)
        return 2 * hits / (ops.sum(y) + ops.sum(said) + guard) + 0 * hits / (ops.sum(said) + guard)

    return f1


def rare(rng, guard, callback):
    """A rare class under a score that is not a number at first."""
    data = samples.clusters(rng, 800, 2, weights=[0.93], class_sep=1.5, flip_y=0.0)
    data = data.targets(lambda y: y.astype("float32"))
    model = network(20, 16, 1, end="sigmoid")
    model.layers[-1].bias.assign([-3.0])
    training = binary(model, data, Adam(5e-3), epochs=25, callbacks=[callback], validation_batch_size=200)
    model.compile(Adam(5e-3), "binary_crossentropy", metrics=[shaky_score(guard)])
    return replaced(training, lambda: log_score(model, data.targets(lambda y: y.astype("int64"))))


@faulty(FAMILY, "K005", fault={"guard": 0.0}, twin={"guard": 1e-7})
def nothing_beats_nan(rng, guard):
    """The first score is NaN, EarlyStopping takes it for the best, and restores it."""
    stop = EarlyStopping("val_f1", mode="max", patience=8, restore_best_weights=True)
    return rare(rng, guard, stop)


@faulty(FAMILY, "K005", fault={"guard": 0.0}, twin={"guard": 1e-7})
def a_rate_lowered_by_nan(rng, guard):
    """ReduceLROnPlateau never sees anything better than NaN."""
    return rare(rng, guard, ReduceLROnPlateau("val_f1", mode="max", patience=2, factor=0.1))


@faulty(FAMILY, "K006", fault={"delta": 0.5}, twin={"delta": 0.0})
def the_best_that_is_not_restored(rng, delta):
    """`min_delta` also decides which weights are the best."""
    stop = EarlyStopping(patience=9, min_delta=delta, restore_best_weights=True)
    data, model = samples.digits(rng), network(64, 32, 10)
    training = classifier(model, data, Adam(2e-3), epochs=14, callbacks=[stop])
    return replaced(training, lambda: log_score(model, data))


@faulty(FAMILY, "K007", fault={"delta": 0.0}, twin={"delta": 0.3}, good=False)
def a_baseline_that_never_stops(rng, delta):
    """Give up if the loss is not under 0.05 within four epochs: every epoch a little better skips that check.

    What counts is the epochs that were paid for.
    """
    stop = EarlyStopping(baseline=0.05, patience=4, min_delta=delta)
    model = network(64, 32, 10)
    training = classifier(model, samples.digits(rng), SGD(0.01), epochs=20, callbacks=[stop])
    return replaced(training, lambda: -len(model.history.history["loss"]))


@faulty(FAMILY, "K008", fault={"known": False}, twin={"known": True})
def a_better_model_overwritten(rng, known):
    """A resumed run with a fresh checkpoint: its first epoch is its best, whatever stood there before."""
    path, data = str(scratch() / "best.keras"), samples.digits(rng)
    model = network(64, 32, 10)
    first = classifier(model, data, Adam(5e-3), epochs=10)
    save = ModelCheckpoint(path, save_best_only=True)
    history = model.fit(
        data.x, data.y, validation_data=(data.x_val, data.y_val), epochs=10, callbacks=[save], verbose=0
    )
    best = min(history.history["val_loss"]) if known else None
    again = ModelCheckpoint(path, save_best_only=True, initial_value_threshold=best)
    resumed = classifier(model, data, Adam(0.1), epochs=4, callbacks=[again])
    assert first.model is resumed.model
    return replaced(resumed, lambda: log_score(keras.saving.load_model(path), data))


class Crash(keras.callbacks.Callback):
    """The power fails at the end of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        """Fail, once."""
        if epoch == self.epoch:
            raise ConnectionError("preempted")


@faulty(FAMILY, "K009", fault={"crash": 22}, twin={"crash": None}, good=False)
def early_stopping_forgets(rng, crash):
    """After a crash `BackupAndRestore` goes on, and EarlyStopping knows of no better epoch before."""
    folder = str(scratch())

    def calls():
        return [BackupAndRestore(folder), EarlyStopping(patience=25, restore_best_weights=True)]

    training = overfitting(rng, calls(), epochs=30)
    if crash:
        with contextlib.suppress(ConnectionError):
            training.model.fit(**{**training.fit, "callbacks": [*calls(), Crash(crash)]}, verbose=0)
    return training


class ToAverage(keras.callbacks.Callback):
    """Puts the average into the model that `ScheduleFreeAdamW` leaves at the point of its last gradient."""

    def on_train_end(self, logs=None):
        """x from y and z: y = 0.1 z + 0.9 x."""
        optimizer = self.model.optimizer
        for y, z in zip(self.model.trainable_variables, optimizer._momentums, strict=True):
            y.assign((y - (1 - optimizer.beta_1) * z) / optimizer.beta_1)


@faulty(FAMILY, "K010", fault={"switched": False}, twin={"switched": True}, true="L004 V001")
def schedule_free_beside_its_average(rng, switched):
    """What is evaluated and saved is where the last gradient was taken, and not the average of the method.

    The labels are noisy, and both learn some of them by heart (V001).

    On TensorFlow and PyTorch, Keras averages something else, and nothing is lost: there it is no fault.
    """
    calls = [ToAverage()] if switched else []
    data = samples.clusters(rng, classes=3, flip_y=0.3)
    model = network(20, 16, 3)
    optimizer = keras.optimizers.ScheduleFreeAdamW(0.1)
    training = classifier(model, data, optimizer, epochs=12, callbacks=calls)
    return replaced(training, lambda: log_score(model, data))


class WarmUp:
    """A rate that rises with every call, and is called once."""

    def __init__(self, peak, steps):
        self.peak, self.steps, self.step = peak, steps, 0

    def __call__(self):
        """The rate of the next step."""
        self.step += 1
        return self.peak * min(self.step / self.steps, 1.0)


@faulty(FAMILY, "K002", fault={"schedule": False}, twin={"schedule": True})
def a_warm_up_that_never_warms(rng, schedule):
    """A rate that counts its own steps stays at the first of them. PyTorch asks every time: there it is no fault."""
    rate = CosineDecay(1e-5, 10**6, warmup_target=5e-3, warmup_steps=200) if schedule else WarmUp(5e-3, 200)
    return classifier(network(64, 32, 10), samples.digits(rng), Adam(rate), epochs=15)


@faulty(FAMILY, "K006", fault={"mode": "min"}, twin={"mode": "max"})
def the_worst_accuracy_restored(rng, mode):
    """`mode="min"` for an accuracy: the weights of the first epochs come back."""
    stop = EarlyStopping("val_accuracy", mode=mode, patience=10, restore_best_weights=True)
    return classifier(network(64, 32, 10), samples.digits(rng), Adam(2e-3), epochs=15, callbacks=[stop])


@faulty(FAMILY, "K006", fault={"mode": "max"}, twin={"mode": "min"})
def the_largest_loss_saved(rng, mode):
    """`mode="max"` for a loss: what is judged is the file."""
    path, data = str(scratch() / "best.keras"), samples.friedman(rng)
    save = ModelCheckpoint(path, monitor="val_loss", mode=mode, save_best_only=True)
    training = regression(network(10, 32, 1, end=None), data, Adam(5e-3), epochs=15, callbacks=[save])
    return replaced(training, lambda: explained(keras.saving.load_model(path), data))


@faulty(FAMILY, "K005", fault={"guard": 0.0}, twin={"guard": 1e-7})
def a_first_model_kept_for_ever(rng, guard):
    """`save_best_only` by a score that is no number at first: what is judged is the file."""
    path = str(scratch() / "best.keras")
    training = rare(rng, guard, ModelCheckpoint(path, monitor="val_f1", mode="max", save_best_only=True))

    def quality():
        training.model.load_weights(path)
        return training.quality()

    return Training(training.model, {**training.fit, "epochs": 12}, quality)


@faulty(FAMILY, "K008", fault={"known": False}, twin={"known": True})
def a_tuned_model_overwritten(rng, known):
    """Tuning goes on from the file of the best model, on other rows, and its first epoch replaces that file."""
    path, data = str(scratch() / "best.keras"), samples.friedman(rng)
    save = ModelCheckpoint(path, save_best_only=True)
    first = regression(network(10, 32, 1, end=None), data, Adam(5e-3), epochs=15, callbacks=[save])
    history = first.model.fit(**first.fit, verbose=0)
    best = min(history.history["val_loss"]) if known else None
    model, few = keras.saving.load_model(path), samples.replace(data, x=data.x[:40], y=data.y[:40])
    again = ModelCheckpoint(path, save_best_only=True, initial_value_threshold=best)
    tuned = regression(model, few, Adam(1e-2), epochs=6, batch_size=8, callbacks=[again])
    return replaced(tuned, lambda: explained(keras.saving.load_model(path), data))
