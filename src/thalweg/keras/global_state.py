"""What building models moves in Keras and Python: random numbers and the numbers in layers' names."""

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from keras.src.backend.common import global_state

from thalweg.keras.put_back import random_numbers_put_back

_SEED, _GENERATOR, _NAMES = "global_random_seed", "global_seed_generator", "object_name_uids"


@contextmanager
def global_state_put_back() -> Iterator[None]:
    """Within it models may be built from seeds: whoever draws or names afterwards gets what they would have got."""
    before = {name: global_state.get_global_attribute(name) for name in (_SEED, _GENERATOR)}
    names = copy.copy(global_state.get_global_attribute(_NAMES))
    try:
        with random_numbers_put_back():
            yield
    finally:
        for name, value in {**before, _NAMES: names}.items():
            global_state.set_global_attribute(name, value)


def seed_everything(seed: int) -> None:
    """As `keras.utils.set_random_seed` on JAX, but that the generator of TensorFlow, where it is there, stays."""
    global_state.set_global_attribute(_SEED, seed)
    global_state.set_global_attribute(_GENERATOR, None)
    random.seed(seed)
    np.random.seed(seed)
