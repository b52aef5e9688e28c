"""Which Keras, which backends and which models can be watched."""

from importlib import import_module, metadata
from typing import Any

from thalweg.errors import UnsupportedError

MINIMUM = (3, 15)
BACKENDS = ("tensorflow", "jax", "torch")


def require_keras() -> None:
    """Raise `UnsupportedError` where Keras is missing, older than supported, or on an unsupported backend."""
    try:
        found = metadata.version("keras")
    except metadata.PackageNotFoundError:
        raise UnsupportedError(
            "Keras is not installed: install Thalweg with a backend, such as "
            "`pip install 'thalweg[tensorflow]'`."
        ) from None
    oldest = ".".join(str(part) for part in MINIMUM)
    if tuple(int(part) for part in found.split(".")[:2] if part.isdigit()) < MINIMUM:
        raise UnsupportedError(
            f"Keras {found} is older than Thalweg supports: upgrade to {oldest} or later "
            f"(`pip install 'keras>={oldest}'`)."
        )
    try:
        backend = import_module("keras").backend.backend()
    except ImportError as error:
        raise UnsupportedError(
            f"Keras {found} could not be loaded ({error}): install a backend, such as "
            "`pip install 'thalweg[tensorflow]'`, or set KERAS_BACKEND to the one that is installed."
        ) from error
    if backend not in BACKENDS:
        raise UnsupportedError(
            f"The Keras backend {backend!r} cannot be watched: set KERAS_BACKEND to one of "
            f"{', '.join(BACKENDS)}."
        )


def why_not(model: Any) -> str | None:
    """Why the steps of this model's training cannot be watched, in a sentence; None where they can.

    Its epochs' logs are recorded all the same.
    """
    import keras

    backend = keras.backend.backend()
    if model.optimizer is None:
        return "the model has no optimizer of its own, so that there is no update to look at"
    strategy = getattr(model, "_distribute_strategy", None)
    if strategy is not None:
        return f"the model trains under {type(strategy).__name__}, whose replicas are not watched yet"
    if keras.distribution.distribution() is not None:
        return "the model trains under a keras.distribution, whose shards are not watched yet"
    if backend == "torch" and model.jit_compile:
        return "the step is compiled by torch.compile (jit_compile=True), which cannot be looked into"
    if backend == "jax" and keras.config.is_nnx_enabled():
        return "the model trains with Flax NNX enabled, whose steps are not watched yet"
    if not model.built:
        return None
    held = getattr(getattr(model.optimizer, "inner_optimizer", model.optimizer), "_trainable_variables", None)
    known = [id(variable) for variable in held or model.trainable_variables]
    traced = backend == "tensorflow" and model.optimizer.built
    # Keras goes on with the step that it traced for these; tracing it anew would train others, or raise.
    if traced and known != [id(variable) for variable in model.trainable_variables]:
        return "what is trainable changed after `compile`, and Keras goes on with the step it made before"
    if not model.trainable_variables:
        return "the model has no trainable weights, so that nothing in it can converge"
    return None
