"""A script, run in this process as `python script arguments` would run it in one of its own."""

import builtins
import os
import sys
import types
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path

import wrapt

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended, as a shell says it."""

_OWN = (str(Path(__file__).parents[1]), str(Path(wrapt.__file__).parent))
"""Where the code lies that is between the script and Keras only because Thalweg runs it."""


def execute(script: str, arguments: Sequence[str]) -> int:
    """Run the file as `__main__`, and return the exit code that Python would have ended with.

    An exception is shown on standard error as Python shows it, without the frames of Thalweg's. It is not a
    sandbox: what the script does to the process (`os._exit`, signals) it does to Thalweg too.
    """
    path = os.path.abspath(script)  # noqa: PTH100  (as Python: absolute, links not followed)
    main = types.ModuleType("__main__")
    loader = SourceFileLoader("__main__", path)
    vars(main).update(
        __file__=path, __cached__=None, __loader__=loader, __builtins__=builtins, __annotations__={}
    )
    sys.modules["__main__"] = main
    sys.argv = [script, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = str(Path(script).resolve().parent)
    try:
        exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), vars(main))
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return int(stop.code or 0)
        print(stop.code, file=sys.stderr)
        return 1
    except BaseException as error:
        _hide_own_frames(error)
        sys.excepthook(type(error), error, error.__traceback__)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _hide_own_frames(error: BaseException) -> None:
    """Leave the script's and Keras's frames in the tracebacks of an exception and of all that led to it."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
        frames = []
        traceback = each.__traceback__
        while traceback is not None:
            if not traceback.tb_frame.f_code.co_filename.startswith(_OWN):
                frames.append(traceback)
            traceback = traceback.tb_next
        for frame, following in zip(frames, [*frames[1:], None], strict=False):
            frame.tb_next = following
        each.__traceback__ = frames[0] if frames else None
