"""`thalweg compare`: a script up to its `fit`, whose model and data are then trained under many configurations."""

import ast
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wrapt

from thalweg.comparison_study import ComparisonStudy
from thalweg.errors import ThalwegError, UsageError
from thalweg.keras.program import execute
from thalweg.keras.script import interpose_fit, script_path

if TYPE_CHECKING:
    from thalweg.keras.comparing import Progress


@dataclass(frozen=True, slots=True)
class Wish:
    """What to compare; None leaves what the script itself asks for."""

    optimizers: Sequence[str]
    learning_rates: Sequence[float]
    schedules: Sequence[str]
    initializers: Sequence[str | None]
    batch_sizes: Sequence[int] | None
    seeds: int
    epochs: int | None
    target: float | None
    engine: str = "auto"
    workers: int | None = None
    folder: Path | None = None
    fit: int | None = None


def compared_script(
    script: str, arguments: Sequence[str], wish: Wish, progress: "Progress | None" = None
) -> tuple[ComparisonStudy, Path]:
    """The comparison of what the script's `fit` trains, and the folder of its study.

    Raises `UsageError` where there is no such script, or several fits in it of which none was chosen, `SystemExit`
    with the script's own code where it failed, and whatever `thalweg.compare` raises.
    """
    return _compared(taken_fit(script, arguments, wish.fit, "compare"), script, wish, progress)


def taken_fit(script: str, arguments: Sequence[str], number: int | None, purpose: str) -> dict[str, Any]:
    """The arguments of the script's `fit`, the model as `self`; of several the one with this number.

    `purpose` is what they are wanted for, in words.

    Raises `UsageError` where there is no such script or fit, or several of which none was chosen, and `SystemExit`
    with the script's own code where it failed.
    """
    path = script_path(script)
    if number is None and len(lines := _fits(path)) > 1:
        where = f"{', '.join(map(str, lines[:-1]))} and {lines[-1]}"
        raise UsageError(
            f"{script} fits a model in lines {where}: say which is meant, with --fit 1 for the first."
        )
    taking = _Taking(number or 1)
    wrapt.register_post_import_hook(taking.keras_loaded, "keras")
    code = execute(script, arguments)
    if taking.found is None:
        if not code:
            which = "" if (number or 1) == 1 else f" {number} times"
            raise UsageError(f"{script} never called fit{which}: there is nothing to {purpose}.")
        raise SystemExit(code)
    return taking.found


def examples(given: dict[str, Any], what: str) -> tuple[Any, Any]:
    """Training and validation data of a `fit`; raises `UsageError` where `what` cannot train on them as it does."""
    from keras.src.trainers.data_adapters.array_slicing import train_validation_split

    data, validation = (given["x"], given["y"], given["sample_weight"]), given["validation_data"]
    if given["y"] is None:
        raise UsageError(f"The script trains on a pipeline or generator: {what} takes arrays.")
    if given["steps_per_epoch"]:
        raise UsageError(
            f"The script's epochs are cut short by steps_per_epoch: {what} trains on all examples."
        )
    if given["validation_split"] and validation is None:
        data, validation = train_validation_split(data, validation_split=given["validation_split"])
    return data, validation


def _fits(path: Path) -> list[int]:
    """The lines that call a `fit` with epochs."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return []  # Python says it better when the script is run
    return sorted(
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "fit"
        and any(keyword.arg == "epochs" for keyword in node.keywords)
    )


class _Taking:
    """The `fit` of a script that is asked for; those before it are trained."""

    def __init__(self, number: int) -> None:
        self._number, self._fits = number, 0
        self.found: dict[str, Any] | None = None

    def keras_loaded(self, keras: Any) -> None:
        """Called when the script has imported Keras."""
        from thalweg.keras import adapt

        try:
            interpose_fit(keras, self._fit)
        except ThalwegError as error:
            print(f"thalweg: {error}", file=sys.stderr)
            raise SystemExit(2) from None
        adapt.install(lambda what: print(f"thalweg: adapted: {what}", file=sys.stderr))

    def _fit(self, fit: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
        self._fits += 1
        if self._fits < self._number:
            return fit(*bound.args, **bound.kwargs)
        bound.apply_defaults()
        self.found = dict(bound.arguments)
        raise SystemExit(0)


def _compared(
    given: dict[str, Any], script: str, wish: Wish, progress: "Progress | None"
) -> tuple[ComparisonStudy, Path]:
    from thalweg.keras.comparing import prepared, trained
    from thalweg.keras.rebuilt import Rebuilder
    from thalweg.keras.valleys import valleys

    data, validation = examples(given, "a comparison")
    problem, tasks = prepared(
        Rebuilder.of(given["self"], Path(script).read_text(encoding="utf-8", errors="replace")),
        data,
        validation_data=validation,
        class_weight=given["class_weight"],
        optimizers=wish.optimizers,
        learning_rates=wish.learning_rates,
        schedules=wish.schedules,
        initializers=wish.initializers,
        batch_sizes=wish.batch_sizes or [given["batch_size"] or 32],
        seeds=wish.seeds,
        epochs=wish.epochs or given["epochs"],
        shuffle=given["shuffle"],
    )

    def folder_of(digits: str) -> Path:
        return wish.folder or Path("studies") / f"{Path(script).stem}-{digits}"

    folder, members = trained(problem, tasks, wish.engine, wish.workers, folder_of, progress)
    return ComparisonStudy(tuple(members), wish.target, valleys=valleys), folder
