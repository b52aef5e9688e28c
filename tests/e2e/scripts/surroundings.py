"""Prints all that a script can see of how it was started: under watch it must be the same."""

import inspect
import multiprocessing
import pickle
import sys
import warnings
from pathlib import Path

import neighbour


def twice(number):
    return 2 * number


if __name__ == "__main__":
    print("argv", sys.argv)
    print("names", __name__, __file__, __package__, __spec__, __cached__, type(__loader__).__name__)
    print("globals", sorted(globals()))
    print("builtins", type(__builtins__).__name__, "main", sys.modules["__main__"].twice is twice)
    print("path", sys.path[0], "folder", Path.cwd())
    print("neighbour", neighbour.WORD, Path(neighbour.__file__).parent)
    print("stdin", sys.stdin.read())
    print("source", inspect.getsource(twice), __doc__)
    print("pickle", pickle.dumps(twice), pickle.loads(pickle.dumps(twice))(4))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print("spawned", pool.map(twice, [1, 2, 3]))
    sys.stdout.buffer.write(b"bytes \x00\xff\r\n")
    warnings.warn("from the script", stacklevel=1)
    warnings.warn("to the script", DeprecationWarning, stacklevel=1)
    print("to standard error", file=sys.stderr)
