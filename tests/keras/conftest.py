"""Tests that train with Keras: on one backend a process (`KERAS_BACKEND`), without a GPU, our bugs raised.

On JAX most of their time is XLA's, and many compile the same program: each process compiles it once, and quickly, but
where bits are compared. Processes do not share them, for what one is writing another would read.
"""

import os
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
_programs = tempfile.TemporaryDirectory(prefix="thalweg-jax-", ignore_cleanup_errors=True)
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
os.environ["JAX_COMPILATION_CACHE_DIR"] = _programs.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


def pytest_unconfigure() -> None:
    _programs.cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.seam)


@pytest.fixture(autouse=True)
def bugs_raise(monkeypatch):
    monkeypatch.setenv("THALWEG_RAISE", "1")


@pytest.fixture(autouse=True)
def seeded():
    """A test draws the same numbers alone and among others."""
    pytest.importorskip("keras", exc_type=ImportError).utils.set_random_seed(20)


@pytest.fixture(autouse=True)
def every_fit_is_looked_at(monkeypatch):
    """However many fits the tests before made in this process."""
    pytest.importorskip("keras", exc_type=ImportError)
    from thalweg.keras import examples

    monkeypatch.setattr(examples, "_for_looks", examples.Allowance(None))
