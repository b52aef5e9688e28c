"""Healthy programs, among them those that naive thresholds accuse. Every concern on one is a false alarm."""

import keras
import numpy as np
from keras import layers, ops
from keras.callbacks import EarlyStopping, LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau
from keras.losses import CategoricalCrossentropy, Huber, SparseCategoricalCrossentropy
from keras.optimizers import SGD, Adam, AdamW, Nadam, RMSprop
from keras.optimizers.schedules import CosineDecay, LearningRateSchedule, PiecewiseConstantDecay

from benchmarks.zoo import samples
from benchmarks.zoo.own_step import Accumulating, OwnError, own
from benchmarks.zoo.program import Training, healthy
from benchmarks.zoo.training import (
    accuracy,
    binary,
    classifier,
    contrastive,
    explained,
    network,
    outputs,
    regression,
    replaced,
    scratch,
)


@healthy(true="L004")
def digits_with_adam(rng):
    """The first program that anyone writes, seeded as the tutorials say."""
    keras.utils.set_random_seed(int(rng.integers(1000)))
    return classifier(network(64, 32, 32, 10), samples.digits(rng), Adam(2e-3), epochs=15)


@healthy()
def digits_with_momentum(rng):
    """A rate that is high, and right."""
    return classifier(network(64, 32, 32, 10), samples.digits(rng), SGD(0.05, momentum=0.9), epochs=20)


@healthy()
def until_gradients_vanish(rng):
    """Converged long before the end: the gradients are tiny because nothing is left to learn."""
    data = samples.linear(rng, noise=0.0)
    return regression(network(10, 1, end=None), data, SGD(0.05), epochs=40)


@healthy()
def noisy_labels_honest_plateau(rng):
    """A fifth of the labels are drawn anew: the loss stops far above zero, and should."""
    data = samples.clusters(rng, train=1200, flip_y=0.2, class_sep=1.5)
    return classifier(network(20, 4), data, Adam(CosineDecay(1e-2, 570)), epochs=15)


@healthy(true="L004")
def wide_sparse_relu(rng):
    """A thousand units, most of them silent on most of the examples."""
    return classifier(network(64, 1024, 10), samples.digits(rng), Adam(1e-3), epochs=10)


@healthy(true="L004")
def frozen_backbone(rng):
    """Fine-tuning: all but the last layer were trained before, and are frozen on purpose."""
    data = samples.digits(rng)
    body = [keras.Input((64,)), layers.Dense(64, activation="relu"), layers.Dense(32, activation="relu")]
    model = keras.Sequential([*body, layers.Dense(10, activation="softmax")])
    classifier(model, data, Adam(2e-3))
    model.fit(data.x[:450], data.y[:450], epochs=15, verbose=0)
    for layer in model.layers[:-1]:
        layer.trainable = False
    return classifier(model, data, Adam(2e-3), epochs=12)


@healthy(true="L004 V001")
def embedding_with_rare_words(rng):
    """Most rows of the embedding are not seen in a batch, some never."""
    body = [keras.Input((12,), dtype="int32"), layers.Embedding(2000, 8), layers.GlobalAveragePooling1D()]
    model = keras.Sequential([*body, layers.Dense(1, activation="sigmoid")])
    return binary(model, samples.words(rng), Adam(2e-2), epochs=8)


class OneCycle(LearningRateSchedule):
    """Up to a high rate over 30 % of the steps, then down to zero."""

    def __init__(self, peak, steps):
        self.peak, self.steps = peak, steps

    def __call__(self, step):
        """The rate at a step."""
        part = ops.cast(step, "float32") / self.steps
        return self.peak * ops.maximum(ops.minimum(part / 0.3, (1.0 - part) / 0.7), 0.0) + 1e-5

    def get_config(self):
        """What it was made of."""
        return {"peak": self.peak, "steps": self.steps}


@healthy()
def one_cycle(rng):
    """A rate that would be too high were it constant."""
    optimizer = SGD(OneCycle(0.3, 15 * 29), momentum=0.9, nesterov=True)
    return classifier(network(64, 32, 32, 10), samples.digits(rng), optimizer, epochs=15)


@healthy()
def warm_up_and_cosine(rng):
    """The loss hardly falls during the warm-up."""
    schedule = CosineDecay(0.0, 315, warmup_target=5e-3, warmup_steps=120)
    return classifier(network(64, 48, 10), samples.digits(rng), Adam(schedule), epochs=15)


@healthy()
def rate_set_by_a_callback(rng):
    """`LearningRateScheduler` as it should be used."""
    falls = LearningRateScheduler(lambda epoch, rate: rate * 0.8)
    return classifier(network(64, 32, 10), samples.digits(rng), Adam(1e-2), epochs=15, callbacks=[falls])


@healthy()
def twenty_residual_blocks(rng):
    """Deep, and well made."""
    h = inputs = keras.Input((64,))
    h = layers.Dense(24)(h)
    for _ in range(20):
        h = layers.Add()([h, layers.Dense(24)(layers.ReLU()(layers.LayerNormalization()(h)))])
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(h))
    return classifier(model, samples.digits(rng), Adam(CosineDecay(3e-3, 150)), epochs=10, batch_size=64)


@healthy()
def lstm_on_waves(rng):
    """A recurrent classifier."""
    body = [keras.Input((20, 1)), layers.LSTM(16)]
    model = keras.Sequential([*body, layers.Dense(3, activation="softmax")])
    return classifier(model, samples.waves(rng), Adam(CosineDecay(2e-2, 190)), epochs=10)


@healthy()
def gru_sums_a_sequence(rng):
    """A recurrent regression."""
    model = keras.Sequential([keras.Input((20, 1)), layers.GRU(16), layers.Dense(1)])
    return regression(model, samples.sums(rng), Adam(CosineDecay(1e-2, 285)), epochs=15)


@healthy()
def convolution_over_time(rng):
    """One-dimensional convolutions and pooling."""
    body = [layers.Conv1D(16, 5, activation="relu"), layers.MaxPooling1D(), layers.GlobalAveragePooling1D()]
    model = keras.Sequential([keras.Input((20, 1)), *body, layers.Dense(3, activation="softmax")])
    return classifier(model, samples.waves(rng), Adam(CosineDecay(2e-2, 285)), epochs=15)


@healthy()
def small_transformer(rng):
    """Two blocks of attention."""
    inputs = keras.Input((20, 1))
    h = layers.Conv1D(16, 4, strides=2)(inputs)
    for _ in range(2):
        h = layers.LayerNormalization()(layers.Add()([h, layers.MultiHeadAttention(2, 8)(h, h)]))
        wide = layers.Dense(16)(layers.Dense(32, activation="gelu")(h))
        h = layers.LayerNormalization()(layers.Add()([h, wide]))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(h)))
    return classifier(model, samples.waves(rng), Adam(CosineDecay(5e-3, 190)), epochs=10)


@healthy()
def autoencoder(rng):
    """Eight numbers for 64: the loss has a floor above zero."""
    data = samples.digits(rng)
    model = network(64, 32, 8, 32, 64, end="sigmoid")
    model.compile(Adam(CosineDecay(1e-2, 435)), "mse")
    fit = {"x": data.x, "y": data.x, "validation_data": (data.x_val, data.x_val), "epochs": 15}
    return Training(model, fit, lambda: -float(np.mean((outputs(model, data.x_test) - data.x_test) ** 2)))


@healthy()
def linear_regression(rng):
    """Converges within the first epochs, and then only jitters; seeded as well."""
    keras.utils.set_random_seed(int(rng.integers(1000)))
    return regression(network(10, 1, end=None), samples.linear(rng), SGD(0.02), epochs=20)


@healthy()
def logistic_regression(rng):
    """One layer, nearly separable data."""
    model = network(30, 1, end="sigmoid")
    return binary(model, samples.cancer(rng), Adam(CosineDecay(1e-2, 330)), epochs=30)


@healthy()
def softmax_regression(rng):
    """No hidden layer, and none needed."""
    return classifier(network(64, 10), samples.digits(rng), Adam(CosineDecay(2e-2, 435)), epochs=15)


@healthy(true="V001")
def raw_pixels_under_adam(rng):
    """Pixels from 0 to 255, as half of the world feeds them, and it works."""
    data = samples.pictures(rng).inputs(lambda x: x.reshape(-1, 784).astype("float32"))
    return classifier(network(784, 64, 10), data, Adam(CosineDecay(1e-3, 320)), epochs=10)


@healthy()
def raw_digits_0_to_16(rng):
    """Unscaled, harmless."""
    data = samples.digits(rng).inputs(lambda x: 16.0 * x)
    return classifier(network(64, 32, 10), data, Adam(CosineDecay(2e-3, 345)), epochs=12)


@healthy()
def constant_border_pixels(rng):
    """Most border pixels of MNIST are zero in every picture."""
    data = samples.pictures(rng).inputs(lambda x: x.reshape(-1, 784).astype("float32") / 255.0)
    return classifier(network(784, 32, 10), data, Adam(CosineDecay(2e-3, 320)), epochs=10)


@healthy(true="L004")
def fashion_convolutional(rng):
    """A small convolutional network on real pictures."""
    data = samples.pictures(rng, "fashion_mnist").inputs(lambda x: x[:, ::2, ::2, None] / np.float32(255.0))
    body = [layers.Conv2D(12, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    model = keras.Sequential([keras.Input((14, 14, 1)), *body, layers.Dense(10, activation="softmax")])
    return classifier(model, data, Adam(5e-3), epochs=8)


@healthy(true="L004")
def batch_norm_and_dropout(rng):
    """Inference differs from training, as it is meant to."""
    body = [layers.Conv2D(16, 3, use_bias=False), layers.BatchNormalization(momentum=0.9), layers.ReLU()]
    last = [layers.Flatten(), layers.Dropout(0.3), layers.Dense(10, activation="softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *body, *last])
    return classifier(model, samples.small_images(rng), Adam(2e-3), epochs=10)


@healthy(true="V001 L004")
def photographs(rng):
    """CIFAR-10 with few pictures: hard, and learning."""
    data = samples.pictures(rng, "cifar10_12k", 1200).inputs(lambda x: x[:, ::2, ::2] / np.float32(255.0))
    body = [
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.4),
    ]
    model = keras.Sequential([keras.Input((16, 16, 3)), *body, layers.Dense(10, activation="softmax")])
    return classifier(model, data, Adam(CosineDecay(2e-3, 304)), epochs=8)


@healthy()
def house_prices(rng):
    """Real columns, standardised."""
    return regression(
        network(8, 32, 32, 1, end=None), samples.houses(rng), Adam(CosineDecay(5e-3, 480)), epochs=15
    )


@healthy()
def targets_in_the_hundreds(rng):
    """Raw targets that Adam reaches all the same: the loss of 26,000 is in their units."""
    data = samples.diabetes(rng, scaled=False)
    return regression(network(10, 16, 1, end=None), data, Adam(CosineDecay(0.3, 450)), epochs=50)


@healthy()
def rare_class_learned(rng):
    """One in twenty, and told apart."""
    data = samples.clusters(rng, train=1000, classes=2, weights=[0.95], class_sep=3.0, flip_y=0.0)
    return classifier(network(20, 16, 2), data, Adam(CosineDecay(1e-2, 320)), epochs=10)


@healthy()
def rare_class_weighted(rng):
    """Mammography with class weights."""
    data = samples.standardised(samples.mammography(rng))
    model = network(6, 16, 1, end="sigmoid")
    return binary(
        model, data, Adam(CosineDecay(1e-2, 400)), epochs=10, batch_size=64, class_weight={0: 1.0, 1: 20.0}
    )


@healthy()
def one_hot_columns(rng):
    """Three categories as columns of zeros and ones, some of them rare: their sum is constant."""
    data = samples.linear(rng, columns=6)
    data = data.inputs(
        lambda x: np.hstack([x, np.eye(12, dtype="float32")[rng.geometric(0.3, len(x)).clip(1, 12) - 1]])
    )
    return regression(network(18, 16, 1, end=None), data, Adam(CosineDecay(1e-2, 285)), epochs=15)


@healthy()
def two_outputs(rng):
    """A class and a number from one body."""
    data = samples.digits(rng)
    inputs = keras.Input((64,))
    h = layers.Dense(32, activation="relu")(inputs)
    kind, ink = layers.Dense(10, activation="softmax", name="kind")(h), layers.Dense(1, name="ink")(h)
    model = keras.Model(inputs, {"kind": kind, "ink": ink})
    model.compile(
        Adam(CosineDecay(5e-3, 435)),
        {"kind": "sparse_categorical_crossentropy", "ink": "mse"},
        metrics={"kind": "accuracy"},
    )
    targets = [{"kind": y, "ink": x.mean(1)} for x, y in ((data.x, data.y), (data.x_val, data.y_val))]
    fit = {"x": data.x, "y": targets[0], "validation_data": (data.x_val, targets[1]), "epochs": 15}
    answers = keras.Model(inputs, kind)
    return Training(model, fit, lambda: accuracy(answers, data))


@healthy()
def two_inputs(rng):
    """Two halves of the picture, joined."""
    data = samples.digits(rng).inputs(lambda x: (x[:, :32], x[:, 32:]))
    sides = [keras.Input((32,)), keras.Input((32,))]
    h = layers.Concatenate()([layers.Dense(16, activation="relu")(side) for side in sides])
    model = keras.Model(sides, layers.Dense(10, activation="softmax")(h))
    return classifier(model, data, Adam(CosineDecay(1e-2, 435)), epochs=15)


@healthy()
def monthly_passengers(rng):
    """A short time series, in order, not shuffled."""
    model = keras.Sequential(
        [keras.Input((12, 1)), layers.Flatten(), layers.Dense(16, "tanh"), layers.Dense(1)]
    )
    data = samples.passengers(rng)
    return regression(model, data, Adam(CosineDecay(1e-2, 480)), epochs=40, batch_size=8, shuffle=False)


@healthy()
def weighted_examples(rng):
    """Sample weights, some of them zero."""
    data = samples.digits(rng)
    weights = rng.integers(0, 3, len(data.x)).astype("float32")
    return classifier(
        network(64, 32, 10), data, Adam(CosineDecay(1e-2, 345)), epochs=12, sample_weight=weights
    )


@healthy()
def masked_sequences(rng):
    """Padding that is masked: the embedding's row of the padding has no gradient, ever."""
    data = samples.words(rng, 50)
    data = data.inputs(lambda x: np.where(np.arange(12) < rng.integers(6, 13, (len(x), 1)), x + 1, 0))
    odd = {f"y{part}": (getattr(data, f"x{part}") % 2).sum(1) > 3 for part in ("", "_val", "_test")}
    data = samples.replace(data, **odd).targets(lambda y: y.astype("int32"))
    body = [layers.Embedding(51, 8, mask_zero=True), layers.LSTM(16)]
    model = keras.Sequential(
        [keras.Input((12,), dtype="int32"), *body, layers.Dense(1, activation="sigmoid")]
    )
    return binary(model, data, Adam(CosineDecay(2e-2, 348)), epochs=12)


@healthy()
def several_labels_each(rng):
    """Six independent labels, six sigmoids."""
    x = rng.normal(size=(1300, 12)).astype("float32")
    y = (x @ rng.normal(size=(12, 6)) > 0.5).astype("float32")
    data = samples.split(rng, x, y, 600, 200, 500)
    model = network(12, 32, 6, end="sigmoid")
    training = classifier(model, data, Adam(CosineDecay(1e-2, 285)), "binary_crossentropy", epochs=15)
    return replaced(training, lambda: float(np.mean((outputs(model, data.x_test) > 0.5) == data.y_test)))


@healthy(true="V001")
def stopped_early_at_the_best(rng):
    """Overfits, is stopped, and the best weights come back."""
    data = samples.clusters(rng, train=300, flip_y=0.1)
    stop = EarlyStopping(patience=4, restore_best_weights=True)
    return classifier(network(20, 64, 4), data, Adam(5e-3), epochs=60, callbacks=[stop])


@healthy()
def rate_reduced_on_plateau(rng):
    """The callback as it is meant."""
    plateau = ReduceLROnPlateau(patience=3, factor=0.3)
    return regression(
        network(10, 32, 1, end=None), samples.friedman(rng), Adam(1e-2), epochs=25, callbacks=[plateau]
    )


@healthy()
def best_model_saved(rng):
    """A checkpoint of the best by validation loss."""
    save = ModelCheckpoint(str(scratch() / "best.keras"), save_best_only=True)
    return classifier(
        network(64, 32, 10), samples.digits(rng), Adam(CosineDecay(1e-2, 345)), epochs=12, callbacks=[save]
    )


@healthy()
def accumulated_and_clipped(rng):
    """An update every fourth step, of norm at most one."""
    optimizer = Adam(1e-2, gradient_accumulation_steps=4, clipnorm=1.0)
    return classifier(network(64, 32, 10), samples.digits(rng), optimizer, epochs=20)


@healthy()
def logits_and_from_logits(rng):
    """A linear output, and the loss told so."""
    loss = SparseCategoricalCrossentropy(from_logits=True)
    model = network(64, 32, 10, end=None)
    return classifier(model, samples.digits(rng), Adam(CosineDecay(1e-2, 345)), loss, epochs=12)


@healthy()
def smoothed_labels(rng):
    """Label smoothing: the loss cannot fall below 0.5."""
    data = samples.digits(rng)
    ones = data.targets(lambda y: np.eye(10, dtype="float32")[y])
    model = network(64, 32, 10)
    training = classifier(
        model, ones, Adam(CosineDecay(1e-2, 345)), CategoricalCrossentropy(label_smoothing=0.1)
    )
    return replaced(training, lambda: accuracy(model, data))


@healthy()
def half_precision(rng):
    """Layers in float16, with the loss scaled."""
    body = [layers.Dense(48, activation="relu", dtype="mixed_float16") for _ in range(2)]
    last = layers.Dense(10, activation="softmax", dtype="float32")
    model = keras.Sequential([keras.Input((64,)), *body, last])
    optimizer = keras.optimizers.LossScaleOptimizer(Adam(CosineDecay(5e-3, 345)))
    return classifier(model, samples.digits(rng), optimizer)


@healthy()
def outliers_and_huber(rng):
    """One target in thirty is wild, and the loss knows."""
    data = samples.friedman(rng)
    wild = data.y + np.where(rng.random(len(data.y)) < 0.03, 15.0, 0.0).astype("float32")
    data = samples.replace(data, y=wild)
    return regression(network(10, 32, 1, end=None), data, Adam(CosineDecay(1e-2, 285)), Huber(), epochs=15)


@healthy()
def tanh_network(rng):
    """Bounded units, used well."""
    model = network(64, 32, 32, 10, activation="tanh")
    return classifier(model, samples.digits(rng), SGD(0.1, momentum=0.9), epochs=15)


@healthy()
def self_normalising(rng):
    """SELU, LeCun's initializer, eight layers."""
    model = network(64, *[32] * 8, 10, activation="selu", kernel_initializer="lecun_normal")
    return classifier(model, samples.digits(rng), Adam(CosineDecay(2e-3, 345)), epochs=12)


class Batches(keras.utils.PyDataset):
    """Examples from a pipeline, with a little noise of their own."""

    def __init__(self, x, y, rng):
        super().__init__()
        self.x, self.y, self.rng = x, y, rng

    def __len__(self):
        return len(self.x) // 32

    def __getitem__(self, index):
        chosen = self.rng.integers(0, len(self.x), 32)
        noise = self.rng.normal(0, 0.05, (32, *self.x.shape[1:])).astype("float32")
        return self.x[chosen] + noise, self.y[chosen]


@healthy()
def augmented_pipeline(rng):
    """Batches drawn by a `PyDataset`: no array to look at beforehand."""
    data = samples.digits(rng)
    training = classifier(network(64, 32, 10), data, Adam(CosineDecay(1e-2, 336)), epochs=12)
    fit = {**training.fit, "x": Batches(data.x, data.y, rng)}
    del fit["y"]
    return Training(training.model, fit, training.quality)


@healthy(true="L004 V001")
def next_character(rng):
    """A language model: the loss ends far above zero, for language is not certain."""
    data = samples.letters(rng)
    width = int(max(data.x.max(), data.y.max(), data.y_val.max())) + 1
    body = [layers.Embedding(width, 12), layers.GRU(24), layers.Dense(width, activation="softmax")]
    model = keras.Sequential([keras.Input((24,), dtype="int32"), *body])
    return classifier(model, data, Adam(CosineDecay(1e-2, 228)), epochs=6)


@healthy()
def batch_of_one(rng):
    """Noisy steps, small enough."""
    data = samples.linear(rng)
    return regression(network(10, 1, end=None), data, SGD(0.005), epochs=2, batch_size=1)


@healthy(true="L004")
def three_epochs_only(rng):
    """Short, and honest about it."""
    return classifier(network(64, 32, 10), samples.digits(rng), Adam(5e-3), epochs=3)


@healthy()
def rmsprop_on_moons(rng):
    """Two columns, two classes."""
    return binary(
        network(2, 32, 32, 1, end="sigmoid"), samples.moons(rng), RMSprop(CosineDecay(1e-2, 380)), epochs=20
    )


@healthy()
def nadam_with_decoupled_decay(rng):
    """A moderate weight decay."""
    optimizer = Nadam(CosineDecay(5e-3, 345), weight_decay=1e-3)
    return classifier(network(64, 32, 10), samples.digits(rng), optimizer, epochs=12)


@healthy()
def adamw_and_moving_average(rng):
    """The average of the weights is what is kept."""
    optimizer = AdamW(CosineDecay(5e-3, 345), weight_decay=0.01, use_ema=True, ema_momentum=0.9)
    return classifier(network(64, 32, 10), samples.digits(rng), optimizer, epochs=12)


@healthy()
def counts_by_poisson(rng):
    """An exponential output, as counts ask for."""
    data = samples.linear(rng, noise=0.1).targets(lambda y: rng.poisson(np.exp(1.0 + y)).astype("float32"))
    model = network(10, 16, 1, end="exponential")
    return regression(model, data, Adam(CosineDecay(1e-2, 285)), "poisson", epochs=15)


@healthy()
def quantile_of_a_regression(rng):
    """A loss of one's own: the upper tenth."""

    def pinball(y, answer):
        error = ops.reshape(y, (-1, 1)) - answer
        return ops.maximum(0.9 * error, -0.1 * error)

    return regression(
        network(10, 16, 1, end=None), samples.friedman(rng), Adam(CosineDecay(1e-2, 285)), pinball, epochs=15
    )


@healthy()
def trained_on(rng):
    """A second `fit` of a network that had converged: nothing falls any more."""
    training = classifier(network(64, 32, 10), samples.digits(rng), Adam(5e-3), epochs=10)
    training.model.fit(training.fit["x"], training.fit["y"], epochs=20, verbose=0)
    return training


@healthy()
def rate_falls_in_steps(rng):
    """The classical recipe: a tenth at two thirds."""
    optimizer = SGD(PiecewiseConstantDecay([300, 390], [0.1, 0.01, 0.001]), momentum=0.9)
    return classifier(network(64, 48, 10), samples.digits(rng), optimizer, epochs=15)


@healthy()
def segmentation(rng):
    """A class for every pixel."""
    data = samples.small_images(rng)
    noisy = data.inputs(lambda x: x + rng.normal(0, 0.3, x.shape).astype("float32"))
    masks = {part: (getattr(data, f"x{part}") > 0.5).astype("float32") for part in ("", "_val", "_test")}
    data = samples.replace(noisy, **{f"y{part}": mask for part, mask in masks.items()})
    body = [layers.Conv2D(8, 3, padding="same", activation="relu") for _ in range(2)]
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), *body, layers.Conv2D(1, 3, padding="same", activation="sigmoid")]
    )
    training = classifier(model, data, Adam(CosineDecay(1e-2, 290)), "binary_crossentropy", epochs=10)
    return replaced(training, lambda: float(np.mean((outputs(model, data.x_test) > 0.5) == data.y_test)))


class Sampled(layers.Layer):
    """A draw from the code's distribution; its distance from the standard normal is a loss of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator()

    def call(self, pair):
        """Mean and log variance in, a sample out."""
        mean, log = pair
        self.add_loss(0.002 * ops.mean(ops.square(mean) + ops.exp(log) - log - 1.0))
        return mean + ops.exp(0.5 * log) * keras.random.normal(ops.shape(mean), seed=self.seeds)


@healthy()
def variational_autoencoder(rng):
    """Noise within, and a loss added by a layer."""
    data = samples.digits(rng)
    inputs = keras.Input((64,))
    h = layers.Dense(32, activation="relu")(inputs)
    code = Sampled()([layers.Dense(4)(h), layers.Dense(4)(h)])
    back = layers.Dense(64, activation="sigmoid")(layers.Dense(32, activation="relu")(code))
    model = keras.Model(inputs, back)
    model.compile(Adam(CosineDecay(5e-3, 435)), "mse")
    fit = {"x": data.x, "y": data.x, "validation_data": (data.x_val, data.x_val), "epochs": 15}
    return Training(model, fit, lambda: -float(np.mean((outputs(model, data.x_test) - data.x_test) ** 2)))


@healthy()
def twins_that_share_their_layers(rng):
    """A siamese network: are these two digits the same?"""
    data = samples.digits(rng)

    def pairs(x, y, count):
        first = rng.integers(0, len(x), count)
        same = [rng.choice(np.flatnonzero(y == y[i])) for i in first]
        second = np.where(rng.random(count) < 0.5, same, rng.integers(0, len(x), count))
        return (x[first], x[second]), (y[first] == y[second]).astype("float32")

    (x, y), (x_val, y_val) = pairs(data.x, data.y, 1200), pairs(data.x_val, data.y_val, 300)
    x_test, y_test = pairs(data.x_test, data.y_test, 600)
    sides, body = [keras.Input((64,)), keras.Input((64,))], network(64, 32, 16, end="tanh")
    gap = layers.Lambda(lambda both: ops.abs(both[0] - both[1]), output_shape=(16,))([body(s) for s in sides])
    model = keras.Model(sides, layers.Dense(1, activation="sigmoid")(gap))
    data = samples.Sample(x, y, x_val, y_val, x_test, y_test)
    return binary(model, data, Adam(CosineDecay(1e-2, 380)), epochs=10)


@healthy(true="L004")
def rivals_within_the_batch(rng):
    """A contrastive loss: that of one example depends on the others, and is meant to."""
    return contrastive(samples.digits(rng), rng, Adam(CosineDecay(5e-3, 290)), epochs=10)


@healthy()
def random_features_frozen_on_purpose(rng):
    """A fixed random projection below a trained layer: a method, not a mistake; the layer says so by its name."""
    body = [layers.Dense(400, activation="relu", trainable=False, name="random_features")]
    model = keras.Sequential([keras.Input((64,)), *body, layers.Dense(10, activation="softmax")])
    return classifier(model, samples.digits(rng), Adam(CosineDecay(5e-3, 345)))


@healthy()
def explained_by_one_column_among_many(rng):
    """Most columns say nothing, and their weights hardly move."""
    data = samples.linear(rng, columns=60)
    for part in ("", "_val", "_test"):
        x = getattr(data, f"x{part}")
        data = samples.replace(
            data, **{f"y{part}": x[:, 0] + 0.3 * rng.normal(size=len(x)).astype("float32")}
        )
    return regression(network(60, 1, end=None), data, SGD(CosineDecay(0.03, 380)), epochs=20)


@healthy()
def half_of_the_units_dropped(rng):
    """Mild noise in training: the training loss lies above the validation loss."""
    body = [layers.Dense(64, activation="relu"), layers.Dropout(0.5), layers.Dense(10, activation="softmax")]
    model = keras.Sequential([keras.Input((64,)), *body])
    return classifier(model, samples.digits(rng), Adam(CosineDecay(1e-2, 435)), epochs=15)


@healthy()
def wine_normalised_by_a_layer(rng):
    """Wild columns behind a Normalization layer that was adapted to them."""
    data = samples.wine(rng, scaled=False)
    layer = layers.Normalization()
    layer.adapt(data.x)
    model = keras.Sequential([keras.Input((13,)), layer, *network(13, 16, 3).layers])
    return classifier(model, data, Adam(CosineDecay(1e-2, 60)), epochs=15)


@healthy()
def a_layer_with_nothing_to_normalise(rng):
    """A Normalization layer that nobody adapted, before columns that were standardised already."""
    model = keras.Sequential(
        [keras.Input((10,)), layers.Normalization(), *network(10, 32, 1, end=None).layers]
    )
    return regression(model, samples.friedman(rng), Adam(CosineDecay(1e-2, 285)), epochs=15)


@healthy()
def accumulated_by_hand(rng):
    """Gradients of four batches, applied and set to zero, in a training step of one's own."""
    model = own(Accumulating, network(10, 32, 1, end=None), every=4, emptied=True)
    return regression(model, samples.friedman(rng), Adam(CosineDecay(3e-2, 140)), epochs=30)


@healthy()
def an_error_computed_by_the_step(rng):
    """A training step of one's own that brings targets and outputs into one shape."""

    def error(y, answer):
        return ops.mean(ops.square(y - ops.reshape(answer, (-1,))))

    model, data = own(OwnError, network(10, 32, 1, end=None), error=error), samples.friedman(rng)
    model.compile(Adam(CosineDecay(1e-2, 285)))
    return Training(model, {"x": data.x, "y": data.y, "epochs": 15}, lambda: explained(model, data))


@healthy()
def classes_weighted_inversely(rng):
    """Three classes of unequal size, the rarer ones weighted up."""
    data = samples.clusters(rng, 800, 3, weights=[0.8, 0.1], flip_y=0.0, class_sep=2.0)
    counts = np.bincount(data.y)
    weights = {kind: len(data.y) / (3 * int(count)) for kind, count in enumerate(counts)}
    optimizer = Adam(CosineDecay(1e-2, 375))
    return classifier(network(20, 16, 3), data, optimizer, epochs=15, class_weight=weights)


@healthy()
def digits_mildly_augmented(rng):
    """Turned by seven degrees and shifted by a pixel at most."""
    augment = [layers.RandomRotation(0.02), layers.RandomTranslation(0.1, 0.1)]
    body = [*augment, layers.Conv2D(16, 3, activation="relu"), layers.Flatten()]
    model = keras.Sequential([keras.Input((8, 8, 1)), *body, layers.Dense(10, activation="softmax")])
    return classifier(model, samples.small_images(rng), Adam(CosineDecay(1e-2, 435)), epochs=15)


@healthy()
def discs_turned_any_way(rng):
    """Large or small? A full turn and shifts by a third change nothing about that."""
    y = rng.integers(0, 3, 1300)
    middle, grid = rng.uniform(4, 8, (1300, 2, 1, 1)), np.arange(12.0)
    far = np.hypot(grid[:, None] - middle[:, 0], grid[None, :] - middle[:, 1])
    x = (far < 1.2 + y[:, None, None]) + rng.normal(0, 0.2, far.shape)
    data = samples.split(rng, x[..., None].astype("float32"), y, 600, 200, 500)
    augment = [layers.RandomRotation(0.5), layers.RandomTranslation(0.25, 0.25)]
    body = [*augment, layers.Conv2D(8, 3, activation="relu"), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((12, 12, 1)), *body, layers.Dense(3, activation="softmax")])
    return classifier(model, data, Adam(CosineDecay(3e-2, 475)), epochs=25)


@healthy()
def unlike_outputs_balanced(rng):
    """A class, and an amount in the thousands whose loss weighs a millionth."""
    data, inputs = samples.digits(rng), keras.Input((64,))
    h = layers.Dense(32, activation="relu")(inputs)
    heads = {"kind": layers.Dense(10, activation="softmax")(h), "ink": layers.Dense(1)(h)}
    model = keras.Model(inputs, heads)
    losses = {"kind": "sparse_categorical_crossentropy", "ink": "mse"}
    model.compile(SGD(CosineDecay(0.2, 580)), losses, loss_weights={"kind": 1.0, "ink": 1e-6})
    mean = data.x.mean()
    y, y_val = (
        {"kind": y, "ink": (x.mean(1) - mean) * np.float32(2e4)}
        for x, y in ((data.x, data.y), (data.x_val, data.y_val))
    )
    fit = {"x": data.x, "y": y, "validation_data": (data.x_val, y_val), "epochs": 20}
    answers = keras.Model(inputs, heads["kind"])
    return Training(model, fit, lambda: accuracy(answers, data))


@healthy()
def rain_that_is_often_nothing(rng):
    """Two days in three are dry: nought is a real amount."""
    data = samples.linear(rng, noise=0.2).targets(lambda y: 10.0 * np.maximum(y - 0.4, 0.0))
    return regression(network(10, 32, 1, end=None), data, Adam(CosineDecay(1e-2, 380)), epochs=20)


@healthy()
def a_machine_that_is_off(rng):
    """50 kilowatts, more or less, or none at all, and a column says which: a state, no missing value."""
    x = rng.normal(size=(1300, 6)).astype("float32")
    x[:, 0] = rng.random(1300) < 0.9
    y = np.where(x[:, 0] > 0, 50.0 + 4.0 * x[:, 1] - 3.0 * x[:, 2], 0.0) + rng.normal(0, 0.3, 1300) * x[:, 0]
    data = samples.scaled_targets(samples.split(rng, x, y.astype("float32"), 600, 200, 500))
    return regression(network(6, 32, 1, end=None), data, Adam(CosineDecay(1e-2, 380)), epochs=20)


@healthy()
def counts_that_are_often_nought(rng):
    """Half of the counts are nought by nature, the others Poisson: a Poisson loss, and a mean to foretell."""
    data = samples.linear(rng, noise=0.1)
    data = data.targets(lambda y: rng.poisson(np.exp(1.5 + y) * (rng.random(len(y)) < 0.5)).astype("float32"))
    model = network(10, 16, 1, end="exponential")
    return regression(model, data, Adam(CosineDecay(5e-3, 285)), "poisson", epochs=15)


@healthy()
def a_likelihood_below_zero(rng):
    """A mean and a spread for each example; the density is above one, and the loss below zero, by right."""

    def likelihood(y, answer):
        mean, log = answer[:, :1], answer[:, 1:]
        return log + 0.5 * ops.square((ops.reshape(y, (-1, 1)) - mean) * ops.exp(-log))

    data, model = samples.linear(rng, noise=0.1), network(10, 32, 2, end=None)
    training = regression(model, data, Adam(CosineDecay(1e-2, 190)), likelihood, epochs=10)
    return replaced(training, lambda: explained(keras.Model(model.inputs, model.outputs[0][:, :1]), data))
