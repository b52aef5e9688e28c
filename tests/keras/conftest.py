"""Tests that train with Keras: on one backend a process (`KERAS_BACKEND`), without a GPU, our bugs raised."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.seam)


@pytest.fixture(autouse=True)
def bugs_raise(monkeypatch):
    monkeypatch.setenv("THALWEG_RAISE", "1")


@pytest.fixture(autouse=True)
def every_fit_is_looked_at(monkeypatch):
    """However many fits the tests before made in this process."""
    pytest.importorskip("keras", exc_type=ImportError)
    from thalweg.keras import examples

    monkeypatch.setattr(examples, "_for_looks", examples.Allowance(None))
