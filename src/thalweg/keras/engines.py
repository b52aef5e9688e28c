"""Which trainings run where: in this process, in workers on its cores, or on a Ray cluster."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from thalweg.errors import UsageError, nearest
from thalweg.keras.by_fit import train_by_fit
from thalweg.keras.problem import Problem, Task
from thalweg.keras.side_by_side import Kind, SideBySide, Told, chunks, kinds
from thalweg.keras.workers import cores, environment, in_processes, in_ray
from thalweg.store.studies import Trained

ENGINES = ("auto", "vmap", "fit", "ray")
WIDTH = 64
"""Members in one program, unless another number is found to be faster."""
_RAY_WIDTH = 16
"""Members in a task of Ray: small enough that a worker's death loses little."""
_IDLE = 5.0
"""Seconds that the cores would be idle, for worker processes to be worth it: they take ten to begin, but save about
twice what is idle, for their one thread waits for no other."""
_WORTH_COMPILING = 60.0
"""Times the seconds of a compilation that are left, for other widths to be tried."""
_MACHINE = 8 << 30
"""Bytes of a machine that does not tell."""

Engine = Callable[[Problem, Sequence[Task], Told], Iterator[Trained]]


def engine(name: str, workers: int | None) -> Engine:
    """What trains members; `auto` is `vmap` where Keras runs on JAX and `fit` elsewhere.

    Raises `UsageError` for another name.
    """
    if name not in ENGINES:
        raise UsageError(
            f"There is no engine {name!r}{nearest(name, ENGINES)}: there are {', '.join(ENGINES)}."
        )
    backend = keras.backend.backend()
    count = workers or cores()
    if name == "ray":
        return lambda problem, tasks, told: _on_ray(problem, tasks, told, backend)
    if name == "fit" or (name == "auto" and backend != "jax"):
        return lambda problem, tasks, told: _fitted(problem, tasks, told, backend, count)
    if backend != "jax":
        return lambda problem, tasks, told: _chunked(problem, tasks, told, count, WIDTH)
    return lambda problem, tasks, told: _compiled(problem, tasks, told, count)


def _compiled(problem: Problem, tasks: Sequence[Task], told: Told, count: int) -> Iterator[Trained]:
    """In this process; what takes long is left to others, where one program does not fill the cores."""
    from thalweg.keras.autodiff.jax import on_cpu

    waiting = kinds(tasks)
    trainer = None
    while waiting:
        kind, members = waiting.pop(0)
        trainer = SideBySide(problem, kind, trainer)
        try:
            shape, queue = trainer.fitting(members, WIDTH, _memory())
            width, searched = shape[0] * shape[1], False
            while queue:
                wall, own = time.perf_counter(), time.process_time()
                yield from trainer.train(queue.pop(0), shape, told)
                busy = (time.process_time() - own) / (time.perf_counter() - wall) / cores()
                rest = [task for chunk in queue for task in chunk]
                left = len(rest) + sum(len(others) for _, others in waiting)
                seconds = trainer.step_seconds * problem.steps(kind[1]) * problem.epochs * left
                if queue and not searched and seconds > _WORTH_COMPILING * trainer.compile_seconds:
                    searched = True
                    width = trainer.fastest(rest, _memory())
                    shape, queue = chunks(rest, width)
                if count > 1 and seconds * (1.0 - busy) > _IDLE and on_cpu():
                    others = rest + [task for _, tasks in waiting for task in tasks]
                    yield from _chunked(problem, others, told, count, width)
                    return
        finally:
            trainer.close()


Job = tuple[Kind, list[Task], int]
"""Members of one program, and the memory that they may take."""


def _jobs(tasks: Sequence[Task], count: int, width: int) -> list[Job]:
    """Chunks for so many workers: none is idle while another has two."""
    found = []
    for kind, members in kinds(tasks):
        _, queue = chunks(members, max(min(width, -(-len(members) // count)), 1))
        found += [(kind, chunk, _memory() // count) for chunk in queue]
    return found


def _chunked(
    problem: Problem, tasks: Sequence[Task], told: Told, count: int, width: int
) -> Iterator[Trained]:
    """Populations in worker processes on JAX."""
    found = in_processes(_train_chunk, problem, _jobs(tasks, count, width), count, environment("jax"))
    yield from _received(found, problem, told)


def _fitted(
    problem: Problem, tasks: Sequence[Task], told: Told, backend: str, count: int
) -> Iterator[Trained]:
    """One training after another in each worker process, with the model's own `fit`."""
    found = in_processes(_train_one, problem, tasks, count, environment(backend))
    yield from _received(found, problem, told)


def _on_ray(problem: Problem, tasks: Sequence[Task], told: Told, backend: str) -> Iterator[Trained]:
    """As tasks of a Ray cluster: populations where Keras runs on JAX, else one training each."""
    variables = environment(backend)
    if backend == "jax":
        found = in_ray(_train_chunk, problem, _jobs(tasks, 2, _RAY_WIDTH), variables)
    else:
        found = in_ray(_train_one, problem, tasks, variables)
    yield from _received(found, problem, told)


def _received(found: Iterator[list[Trained]], problem: Problem, told: Told) -> Iterator[Trained]:
    for members in found:
        told(problem.epochs * len(members), sum(one.member.diverged for one in members))
        yield from members


_trainer: tuple[Any, Kind, SideBySide] | None = None
"""Of a worker: what it has compiled for the jobs before."""


def _train_chunk(problem: Problem, job: Job) -> list[Trained]:
    global _trainer
    kind, tasks, memory = job
    if _trainer is None or _trainer[0] is not problem or _trainer[1] != kind:
        before = _trainer[2] if _trainer is not None and _trainer[0] is problem else None
        if _trainer is not None:
            _trainer[2].close()
        _trainer = (problem, kind, SideBySide(problem, kind, before))
    shape, queue = _trainer[2].fitting(tasks, len(tasks), memory)
    return [one for chunk in queue for one in _trainer[2].train(chunk, shape, lambda done, died: None)]


def _train_one(problem: Problem, task: Task) -> list[Trained]:
    return [train_by_fit(problem, task)]


def _memory() -> int:
    """Bytes that programs may take: half of the device's, or of what this process and its workers may have."""
    on_device = None
    if keras.backend.backend() == "jax":
        from thalweg.keras.autodiff.jax import device_memory

        on_device = device_memory()
    sized = hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names  # not on Windows
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if sized else _MACHINE
    found = [on_device or machine]
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found.append(int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return min(found) // 2
