"""Work sent to other processes: of this machine, or of a Ray cluster."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from pathlib import Path
from typing import Any

from thalweg.errors import ThalwegError, UnsupportedError

Work = Callable[[Any, Any], Any]
"""A function of what all jobs have in common, and of a job."""


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment(backend: str) -> dict[str, str]:
    """Of a worker that is one of as many as there are cores: each computes with one thread."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    single = dict.fromkeys(
        ("NPROC", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
    )
    return {"KERAS_BACKEND": backend, "XLA_FLAGS": flags, "TF_CPP_MIN_LOG_LEVEL": "3", **single}


def in_processes(
    work: Work, common: Any, jobs: Sequence[Any], count: int, variables: Mapping[str, str]
) -> Iterator[Any]:
    """What `work` makes of each job, as it comes, in so many processes with these environment variables.

    Where a worker is killed, mostly for want of memory, what it left is done by half as many. Raises
    `UnsupportedError` where one alone is killed too, or what is common cannot be sent, and what the work raises.
    """
    import loky

    with tempfile.TemporaryDirectory(prefix="thalweg-") as folder:
        path = Path(folder) / "common"
        path.write_bytes(_packed(common))
        left = dict(enumerate(jobs))
        while left:
            pool = loky.ProcessPoolExecutor(min(count, len(left)), env=dict(variables))
            try:
                futures = {pool.submit(_worked, work, str(path), job): key for key, job in left.items()}
                for future in as_completed(futures):
                    found = future.result()
                    del left[futures[future]]
                    yield found
            except BrokenProcessPool:
                if count == 1:
                    raise UnsupportedError(
                        "The worker process died, which mostly means that the memory did not suffice: what was "
                        "trained is kept. Compare with a smaller batch size, or on a machine with more memory."
                    ) from None
                count //= 2
            finally:
                pool.shutdown(wait=True, kill_workers=True)


def in_ray(work: Work, common: Any, jobs: Sequence[Any], variables: Mapping[str, str]) -> Iterator[Any]:
    """What `work` makes of each job, as it comes, as tasks of a Ray cluster: that of RAY_ADDRESS, else a local one.

    A job whose worker dies is done again elsewhere. Raises `UnsupportedError` without Ray, and what the work raises.
    """
    try:
        import ray
    except ImportError:
        raise UnsupportedError("Ray is not installed: `pip install thalweg[ray]`.") from None
    ray.init(ignore_reinit_error=True, log_to_driver=False, configure_logging=False)
    sent = ray.put(_packed(common))
    task = ray.remote(max_retries=-1, num_cpus=1, runtime_env={"env_vars": dict(variables)})(_unpacked)
    waiting = [task.remote(work, sent, job) for job in jobs]
    try:
        while waiting:
            (done, *_), waiting = ray.wait(waiting)
            yield ray.get(done)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise (cause if isinstance(cause, ThalwegError) else error) from None
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)


def _packed(common: Any) -> bytes:
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(common))
    except Exception as error:  # whatever a user's objects hold
        raise UnsupportedError(
            f"The model or its data cannot be sent to another process ({type(error).__name__}: {str(error)[:200]}): "
            "give build_model as a function that makes all that it needs."
        ) from error


def _worked(work: Work, path: str, job: Any) -> Any:
    return work(_common(path), job)


@lru_cache(maxsize=1)
def _common(path: str) -> Any:
    import pickle

    return pickle.loads(Path(path).read_bytes())


def _unpacked(work: Work, sent: bytes, job: Any) -> Any:
    return work(_loaded(sent), job)


@lru_cache(maxsize=1)
def _loaded(sent: bytes) -> Any:
    import pickle

    return pickle.loads(sent)
