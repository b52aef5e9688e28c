"""What a program of the zoo is: one training as people write it, with its fault as an argument."""

import hashlib
import inspect
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from thalweg import Family

Arguments = Mapping[str, Any]

FAULTY, TWIN, HEALTHY = "faulty", "twin", "healthy"


@dataclass(frozen=True)
class Training:
    """A compiled model, the arguments of its `fit`, and how good it is afterwards (more is better).

    The quality is measured here, on held-out data; nothing of Thalweg enters it.
    """

    model: Any
    fit: Arguments
    quality: Callable[[], float]


@dataclass(frozen=True)
class Program:
    """A training in several variants, which differ in the arguments of `build` and in nothing else.

    A faulty program has the variants `faulty` and `twin`; further ones, named by codes, keep the fault and change
    something else. Where they are measured to mend it, their codes are accepted as right answers too.
    """

    name: str
    build: Callable[..., Training]
    variants: Mapping[str, Arguments]
    family: Family | None = None
    """The class of the fault; None for a healthy program."""
    right: frozenset[str] = frozenset()
    """Codes of the findings that name the fault."""
    true: frozenset[str] = frozenset()
    """Codes that would be true of the healthy variant: a short run *is* still falling."""
    good: bool = True
    """Whether the twin is good training, on which any other concern is a false alarm."""

    @property
    def held_out(self) -> bool:
        """Whether thresholds must not be set on it. Decided by the name, so that adding programs moves none."""
        return zlib.crc32(self.name.encode()) % 2 == 1

    def source(self, variant: str) -> str:
        """A digest of all that decides the training: the function, the zoo's functions it calls, the arguments."""
        arguments = self.variants[variant]
        reached = parts(self.build).union(*(parts(value) for value in arguments.values()))
        text = "".join(_text(part) for part in sorted(reached, key=_where))
        text += re.sub(" at 0x[0-9a-f]+", "", repr(sorted(arguments.items())))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


Build = Callable[..., Training]


def codes(text: str) -> frozenset[str]:
    """Codes separated by blanks."""
    return frozenset(text.split())


def faulty(
    family: Family,
    right: str,
    *,
    fault: Arguments,
    twin: Arguments,
    also: Mapping[str, Arguments] | None = None,
    true: str = "L004",
    good: bool = True,
) -> Callable[[Build], Program]:
    """A program with a fault: `fault` and `twin` are the same arguments with other values.

    A twin is as short as the faulty run, and may still be falling (L004) when it ends.

    `also`: codes, and the change that they ask for while the fault stays.
    """
    mends = {names: {**fault, **change} for names, change in (also or {}).items()}
    variants = {FAULTY: fault, TWIN: twin, **mends}
    return lambda build: Program(_name(build), build, variants, family, codes(right), codes(true), good)


def healthy(true: str = "", **arguments: Any) -> Callable[[Build], Program]:
    """A program with nothing wrong."""
    return lambda build: Program(_name(build), build, {HEALTHY: arguments}, true=codes(true))


def _name(build: Build) -> str:
    return build.__name__.replace("_", " ").strip()


def _text(part: Any) -> str:
    """The source without decorators: other right codes are no other training."""
    text = inspect.getsource(part)
    return text[text.index("def " if isinstance(part, FunctionType) else "class ") :]


def _where(part: Any) -> str:
    return f"{part.__module__}.{part.__qualname__}"


def parts(function: Any) -> set[Any]:
    """The function and everything of this package that it reaches by name."""
    package, found, todo = __package__, set(), [function]
    while todo:
        part = todo.pop()
        local = isinstance(part, FunctionType | type) and part.__module__.startswith(package)
        if not local or part in found:
            continue
        found.add(part)
        inner = [part] if isinstance(part, FunctionType) else vars(part).values()
        for one in inner:
            if isinstance(one, FunctionType):
                modules = [vars(m) for m in one.__globals__.values() if isinstance(m, ModuleType)]
                ours = [one.__globals__, *(m for m in modules if m["__name__"].startswith(package))]
                todo += [space[name] for name in _names(one.__code__) for space in ours if name in space]
    return found - {Program, Training}


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
