"""`thalweg compare`: a script's training under many configurations, with several seeds each."""

import difflib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from click.core import ParameterSource

from thalweg.cli.output import check_writable, prefer_jax, progressing, say, show, write_page, writing
from thalweg.cli.study_file import StudyFile, read_study_file
from thalweg.comparison_study import ComparisonStudy
from thalweg.errors import UsageError
from thalweg.profiles import Profiles
from thalweg.store.studies import read_members
from thalweg.words import figure

if TYPE_CHECKING:
    from thalweg.keras.comparing import Standing

_NEARLY = 0.85
"""Options are so much alike (difflib's ratio) of which one is probably meant to be the other."""


@click.command(
    short_help="Compare optimizers, learning rates and schedules on a script's training.",
    context_settings={"ignore_unknown_options": True},
)
@click.option(
    "--optimizers", default="sgd,momentum,rmsprop,adam", show_default=True, help="By name, with commas."
)
@click.option(
    "--learning-rates",
    default="1e-4:1:9",
    show_default=True,
    help="With commas, or LOW:HIGH:COUNT for a geometric row.",
)
@click.option(
    "--schedules",
    default="constant",
    show_default=True,
    help="constant, cosine, linear, exponential, warm-up.",
)
@click.option(
    "--initializers", default="", help="Of every layer's kernel; as the script has them by default."
)
@click.option("--batch-sizes", default="", help="The script's own by default.")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="How many.")
@click.option("--epochs", type=click.IntRange(min=1), help="The script's own by default.")
@click.option("--target", type=float, help="The loss to reach; 5 % above the lowest by default.")
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    help="vmap, fit or ray; auto is vmap on JAX and fit elsewhere.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes; as many as cores by default.")
@click.option(
    "--study",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the trainings are kept; studies/SCRIPT-DIGITS by default.",
)
@click.option("--fit", type=click.IntRange(min=1), help="Which of the script's fits is meant.")
@click.option("--all", "full", is_flag=True, help="Print a row for each configuration too.")
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write it as an HTML page.",
)
@click.option("--found", type=click.Path(path_type=Path), hidden=True, help="Where to say what was compared.")
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
@click.pass_context
def compare(context: click.Context, /, script: str, arguments: tuple[str, ...], **asked: Any) -> None:
    """Train what a script's `fit` trains under every configuration, with every seed, side by side.

    The script runs up to its `fit`; model, loss, data and epochs are taken from there, and its own callbacks are left
    out. On JAX many trainings are one compiled program (KERAS_BACKEND=jax is set where nothing else is and JAX is
    installed). Options that Thalweg does not know are the script's own, and all that follows `--`.

    SCRIPT may also be a file study.toml that names one script, or several problems, with the options above:

    \b
      scripts = ["digits.py", "wine.py"]
      optimizers = ["sgd", "adam"]
      learning-rates = "1e-4:1:9"

    Every training is kept as it ends: the same command again goes on where it was broken off.

    \b
    Examples:
      thalweg compare train.py
      thalweg compare train.py --optimizers sgd,adam --learning-rates 1e-4:1:9 --seeds 5
      thalweg compare train.py --schedules constant,cosine -- --width 64
      thalweg compare study.toml --engine ray --report compare.html

    The exit code is the script's own where it fails; else 0, or 2 where nothing can be compared as asked.
    """
    ours = [option.opts[0] for option in context.command.params if isinstance(option, click.Option)]
    for word in (word.partition("=")[0] for word in arguments if word.startswith("--")):
        if word not in ours and (near := difflib.get_close_matches(word, ours, 1, _NEARLY)):
            say([f"{word} is given to the script: did you mean {near[0]}?"])
    if Path(script).suffix == ".toml":
        options = {name: option for option in context.command.params if (name := _written(option))}
        file = read_study_file(Path(script), options)
        for key, text in file.options.items():
            option = options[key]
            if context.get_parameter_source(str(option.name)) is not ParameterSource.COMMANDLINE:
                asked[str(option.name)] = option.type_cast_value(context, text)
        arguments = (*file.arguments, *arguments)
        if len(file.scripts) > 1:
            _several(file, arguments, {f"--{key}": asked[str(o.name)] for key, o in options.items()}, asked)
            return
        script = str(file.scripts[0])
    _one(script, arguments, **asked)


def _written(option: click.Parameter) -> str:
    """What an option that takes a value is called on the command line, without its dashes; empty of others."""
    known = isinstance(option, click.Option) and not option.is_flag and not option.hidden
    return option.opts[0].removeprefix("--") if known and option.name not in ("report", "study") else ""


def _one(
    script: str,
    arguments: tuple[str, ...],
    *,
    optimizers: str,
    learning_rates: str,
    schedules: str,
    initializers: str,
    batch_sizes: str,
    full: bool,
    report: Path | None,
    found: Path | None,
    study: Path | None,
    **asked: Any,
) -> None:
    from thalweg.render import ComparisonView

    rates = _rates(learning_rates)
    sizes = _numbers(batch_sizes, "batch sizes")
    if any(size != int(size) for size in sizes):
        raise UsageError(f"batch sizes: {batch_sizes!r} is not a list of whole numbers with commas between.")
    check_writable(report)
    prefer_jax()
    from thalweg.keras.compare_script import Wish, compared_script  # Keras: seconds that no other should wait

    wish = Wish(
        optimizers=_words(optimizers),
        learning_rates=rates,
        schedules=_words(schedules),
        initializers=_words(initializers) or [None],
        batch_sizes=[int(size) for size in sizes] or None,
        folder=study,
        **asked,
    )
    with progressing() as progress:

        def told(standing: "Standing") -> None:
            progress(standing_in_words(standing), standing.share)

        made, folder = compared_script(script, list(arguments), wish, told)
    show(ComparisonView(made, full))
    say([f"the study is in {folder}: the same command goes on with it"])
    if report is not None:
        with writing(report):
            page = made.report(report)
        click.echo(f"The page is at {page.absolute()}")
    if found is not None:
        numbers = [member.folder.name for member in made if member.folder is not None]
        found.write_text(json.dumps({"folder": str(folder), "members": numbers}), encoding="utf-8")


def _several(
    file: StudyFile, arguments: tuple[str, ...], options: Mapping[str, Any], asked: Mapping[str, Any]
) -> None:
    """Each problem in a process of its own, and what they say together."""
    from thalweg.render import ProfilesView, profiles_page

    if asked["study"] is not None:
        raise UsageError("--study is one folder, and each of several scripts has a study of its own.")
    check_writable(asked["report"])
    given = [word for key, value in options.items() if value not in (None, "") for word in (key, str(value))]
    stems = [script.stem for script in file.scripts]
    names = stems if len(set(stems)) == len(stems) else [str(script) for script in file.scripts]
    problems: dict[str, ComparisonStudy] = {}
    with tempfile.TemporaryDirectory(prefix="thalweg-") as folder:
        for number, script in enumerate(file.scripts):
            click.echo(f"{script}:")
            said = Path(folder) / str(number)
            command = [sys.executable, "-m", "thalweg", "compare", *given, "--found", str(said)]
            command += ["--all"] * asked["full"]
            code = subprocess.run([*command, "--", str(script), *arguments]).returncode
            if code:
                raise SystemExit(code)
            found = json.loads(said.read_text(encoding="utf-8"))
            wanted = set(found["members"])
            members = [m for m in read_members(found["folder"]) if m.folder and m.folder.name in wanted]
            problems[names[number]] = ComparisonStudy(tuple(members), asked["target"])
            click.echo()
    profiles = Profiles(problems)
    show(ProfilesView(profiles))
    if asked["report"] is not None:
        write_page(asked["report"], profiles_page(profiles))
        click.echo(f"The page is at {asked['report'].absolute()}")


def standing_in_words(standing: "Standing") -> str:
    """How far a study has come: the members that are trained, those that diverged, and the best until now."""
    said = [f"{standing.done:,} of {standing.total:,} trained"]
    if standing.diverged:
        said.append(f"{standing.diverged:,} diverged")
    if standing.best is not None:
        configuration, loss = standing.best
        said.append(
            f"best {configuration.optimizer} at {figure(configuration.learning_rate)}: {figure(loss)}"
        )
    return ", ".join(said)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str, what: str) -> list[float]:
    try:
        return [float(word) for word in _words(text)]
    except ValueError:
        raise UsageError(f"{what}: {text!r} is not a list of numbers with commas between.") from None


def _rates(text: str) -> list[float]:
    """Numbers with commas, or a geometric row `low:high:count`."""
    if ":" not in text:
        return _numbers(text, "learning rates")
    parts = text.split(":")
    try:
        low, high, count = float(parts[0]), float(parts[1]), int(parts[2])
    except (ValueError, IndexError):
        raise UsageError(f"learning rates: {text!r} is not LOW:HIGH:COUNT, such as 1e-4:1:9.") from None
    if len(parts) != 3 or not 0.0 < low <= high < float("inf") or count < 1:
        raise UsageError(
            f"learning rates: {text!r} is not LOW:HIGH:COUNT, with 0 < LOW <= HIGH and COUNT of 1 or more."
        )
    return [float(f"{rate:.3g}") for rate in np.geomspace(low, high, count)]
