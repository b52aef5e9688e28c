"""What a callable learning rate reads, told from its code: it is not called, for a call may change it."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from inspect import getattr_static
from itertools import chain, islice
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import keras
import numpy as np

_TRACED = ("keras", "tensorflow", "jax", "torch")
_CHANGING = frozenset(("time", "perf_counter", "monotonic", "now", "random", "uniform", "next"))
"""Names in a function that bring something new at each call though they hold no value."""
_DEPTH, _MOST = 4, 1000


def rate_reads(optimizer: Any) -> str | None:
    """What the learning rate of `optimizer` reads where it is a callable, else None.

    `nothing`: it always returns the same. `python`: plain values only, so that a traced step keeps what the
    first call returned. `unknown`: something that a traced step may read anew, such as a variable.
    """
    rate = getattr(getattr(optimizer, "inner_optimizer", optimizer), "_learning_rate", None)
    known = (keras.Variable, keras.optimizers.schedules.LearningRateSchedule)
    if not callable(rate) or isinstance(rate, known):
        return None
    plain = list(islice(_reads(rate, _DEPTH), _MOST))
    if not all(plain) or len(plain) == _MOST:
        return "unknown"
    return "python" if plain else "nothing"


def _reads(value: Any, depth: int) -> Iterator[bool]:
    """For each thing that a value leads to, whether it is plain Python."""
    if value is None or isinstance(
        value, bool | int | float | complex | str | bytes | np.generic | np.ndarray
    ):
        yield True
    elif isinstance(value, ModuleType):
        if _root(value.__name__) in _TRACED:
            yield False
    elif _root(str(getattr(value, "__module__", ""))) in _TRACED or not depth:
        yield False
    elif isinstance(value, FunctionType):
        yield from _each(_held(value), depth)
        if not _CHANGING.isdisjoint(_names(value.__code__)):
            yield True
    elif isinstance(value, MethodType):
        yield from _each((value.__func__, value.__self__), depth)
    elif isinstance(value, partial):
        yield from _each((value.func, *value.args, *value.keywords.values()), depth)
    elif isinstance(value, Mapping | list | tuple | set):
        yield True
        yield from _each(value.values() if isinstance(value, Mapping) else value, depth)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        yield True
        called = getattr_static(type(value), "__call__", None)
        yield from _each(vars(value).values(), depth)
        yield from _each([called] if isinstance(called, FunctionType) else [], depth)
    elif not callable(value):  # of builtin functions and classes the names are looked at
        yield False


def _each(values: Iterable[Any], depth: int) -> Iterator[bool]:
    return chain.from_iterable(_reads(value, depth - 1) for value in values)


def _held(function: FunctionType) -> Iterator[Any]:
    """The values that a function can reach by name: enclosed, global and default ones."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # its variable is not bound yet
            continue
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield function.__globals__[name]
    yield from (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())


def _names(code: CodeType) -> set[str]:
    inner = (_names(part) for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*inner)


def _root(name: str) -> str:
    return name.partition(".")[0]
