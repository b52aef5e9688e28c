"""The seam to Keras: the only room that imports it, and only when something of it is used.

(`thalweg.keras.script` must be importable first: the script that it runs chooses the backend.)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thalweg.keras.watch import Watch

__all__ = ["Watch"]


def __getattr__(name: str) -> Any:
    if name == "Watch":
        from thalweg.keras.support import require_keras

        require_keras()
        from thalweg.keras.watch import Watch

        return Watch
    raise AttributeError(f"module 'thalweg.keras' has no attribute {name!r}")
