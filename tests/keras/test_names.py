"""Names of layers and tensors: whole, unique, and the same on every call."""

from laboratory import keras, layers

from thalweg.keras.names import tensor_names, unique_names


def test_each_layer_once_and_numbers_for_namesakes():
    one, two, three = (layers.Dense(1, name="dense") for _ in range(3))
    assert unique_names([one, two, one, three]) == {"dense": one, "dense#2": two, "dense#3": three}


def test_tensors_bear_the_name_of_the_layer_that_owns_them():
    shared = layers.Dense(2, name="shared")
    inner = keras.Sequential([layers.Input((2,)), layers.Dense(2, name="twin")], name="inner")
    outer = keras.Sequential([layers.Input((2,)), layers.Dense(2, name="twin")], name="outer")
    inputs = layers.Input((2,))
    model = keras.Model(inputs, outer(shared(inner(shared(inputs)))))
    names = tensor_names(model, model.trainable_variables)
    assert sorted(names) == [
        ("shared/bias", "shared"), ("shared/kernel", "shared"), ("twin#2/bias", "twin#2"),
        ("twin#2/kernel", "twin#2"), ("twin/bias", "twin"), ("twin/kernel", "twin"),
    ]  # fmt: skip
    assert names == tensor_names(model, model.trainable_variables)


def test_recurrent_cells_and_weights_of_the_model_itself():
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="own")
            self.scale = self.add_weight(shape=(), name="scale")
            self.left, self.right = layers.LSTM(2), layers.LSTM(2)

    model = Own()
    for layer in (model.left, model.right):
        layer.build((None, 3, 2))
    names = [name for name, _ in tensor_names(model, model.trainable_variables)]
    assert "own/scale" in names
    assert len(set(names)) == len(names) == 7
    assert all("lstm_cell" in name for name in names if name != "own/scale")
