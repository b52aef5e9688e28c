"""Processes together, and a copy of the scripts."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import SCRIPTS, Ended


@pytest.fixture(scope="session")
def together(tmp_path_factory) -> Callable[..., dict[object, object]]:
    """Start several processes, two at a time, each in a folder of its own: futures by the same keys.

    Most of the time of such a test is Keras's start, and two cores can start two. Where pytest itself runs tests side
    by side, the others keep the cores busy.
    """
    pool = ThreadPoolExecutor(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)

    def start(calls: dict[object, Callable[[Path], Ended]]) -> dict[object, object]:
        return {key: pool.submit(call, tmp_path_factory.mktemp("run")) for key, call in calls.items()}

    yield start
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def scripts(tmp_path) -> Path:
    """A copy of the scripts, in a folder of the test's own."""
    return Path(shutil.copytree(SCRIPTS, tmp_path / "scripts"))
