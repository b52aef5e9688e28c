"""Trains programs with the watch as users do, several processes at a time, each a fresh one now and then."""

import contextlib
import dataclasses
import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from benchmarks.zoo.program import Program
from benchmarks.zoo.results import Result, Results, told
from benchmarks.zoo.samples import MissingDataError

Task = tuple[str, str, int, str]
"""Program, variant, seed, backend: the key of its result."""

PER_PROCESS = 25
"""Trainings after which a process is replaced: backends keep memory."""


def run(tasks: list[Task], results: Results, *, folder: Path, jobs: int, limit: int) -> Iterator[Result]:
    """Train what is asked, each result kept as soon as it is there; what a crash took away is left for another call.

    Every so many trainings come new processes: a pool that replaces its own (`max_tasks_per_child`) can hang.
    """
    context = multiprocessing.get_context("spawn")
    for first in range(0, len(tasks), PER_PROCESS * jobs):
        with (
            ProcessPoolExecutor(jobs, context, _follow, (os.getpid(),)) as pool,
            contextlib.suppress(BrokenProcessPool),
        ):
            waiting = [
                pool.submit(train, t, folder, limit) for t in tasks[first : first + PER_PROCESS * jobs]
            ]
            for done in as_completed(waiting):
                result = done.result()
                results.add(result)
                yield result


def train(task: Task, folder: Path, limit: int) -> Result:
    """One training, in this process. Its `KERAS_BACKEND` was set before the process began."""
    from benchmarks.zoo.catalogue import PROGRAMS

    name, variant, seed, backend = task
    program = PROGRAMS[name]
    signal.signal(signal.SIGALRM, _time_is_up)
    signal.alarm(limit)
    result = Result(*task, program.source(variant))
    begun = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            tempfile.tempdir = scratch  # where the program's own checkpoints go
            run_folder = folder / backend / name.replace(" ", "-") / f"{variant}-{seed}"
            made = _trained(program, variant, seed, run_folder)
    except MissingDataError as error:
        made = {"failed": f"no data: {error}"}
    except TimeoutError:
        made = {"failed": f"over {limit} s"}
    except Exception as error:  # a bug of the program's or of Thalweg's: the others go on, the table says so
        made = {"failed": f"{type(error).__name__}: {error}"[:300]}
    finally:
        signal.alarm(0)
        tempfile.tempdir = None
    return dataclasses.replace(result, **made, seconds=round(time.perf_counter() - begun, 2))


def rediagnose(results: Results) -> Iterator[Result]:
    """Ask today's rules about the records that are kept, without training again."""
    import thalweg

    for old in results:
        if old.folder and Path(old.folder).exists():
            new = dataclasses.replace(old, **told(thalweg.diagnose(old.folder)))
            results.add(new)
            yield new


def _trained(program: Program, variant: str, seed: int, folder: Path) -> dict[str, object]:
    import keras

    import thalweg
    from thalweg.keras import examples

    _seed(seed)
    # A user's script is a process of its own, and its fit is looked at.
    examples._for_looks = examples.Allowance(None)
    training = program.build(np.random.default_rng(seed), **program.variants[variant])
    fit = dict(training.fit)
    callbacks = fit.pop("callbacks", ())
    watch = thalweg.Watch(folder, overwrite=True, keep=False, quiet=True)
    raised = ""
    try:
        training.model.fit(**fit, verbose=0, callbacks=[*callbacks, watch])
    except TimeoutError:
        raise
    except Exception as error:
        raised = f"{type(error).__name__}: {error}"[:200]
        watch.close("exception", raised)
    with np.errstate(all="ignore"):
        quality = float(training.quality())
    found = told(thalweg.diagnose(watch.record()))
    keras.backend.clear_session()
    return {
        "quality": quality if np.isfinite(quality) else None,
        **found,
        "raised": raised,
        "folder": str(folder),
    }


def _seed(seed: int) -> None:
    """Seeds the weights, dropout and data, and leaves alone the global seed of Keras.

    On TensorFlow that one gives the same order of batches in every epoch, which is a trap of its own (K001). A
    program that sets it must not set it for the next one in this process.
    """
    import keras

    random.seed(seed)
    np.random.seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.random.set_seed(None)
    elif keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)


def _follow(parent: int) -> None:
    """Ends this process when its parent is gone: a run that was killed leaves nothing behind."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _time_is_up(*_: object) -> None:
    raise TimeoutError


def tasks(
    programs: Iterable[Program], seeds: Iterable[int], backend: str, known: Results, again: bool
) -> list[Task]:
    """What is to be trained: seed by seed, so that an early end leaves all programs with some."""
    chosen = list(programs)
    wanted = [(p.name, v, seed, backend) for seed in seeds for p in chosen for v in p.variants]
    return [task for task in wanted if again or task not in known]


def backend() -> str:
    """The backend that trainings here will use."""
    return os.environ.setdefault("KERAS_BACKEND", "tensorflow")
