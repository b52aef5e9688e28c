"""`thalweg lr-find`: a script up to its `fit`, and the learning rate that suits what it trains."""

from collections.abc import Callable, Sequence

from thalweg.keras.compare_script import examples, taken_fit
from thalweg.rate_suggestion import RateSuggestion


def suggestion_for_script(
    script: str,
    arguments: Sequence[str],
    *,
    fit: int | None = None,
    seeds: int = 4,
    horizon: float = 0.25,
    epochs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RateSuggestion:
    """The learning rate for what the script's `fit` trains, with its data, batch size, epochs and optimizer.

    Raises `UsageError` where there is no such script, or several fits in it of which none was chosen, `SystemExit`
    with the script's own code where it failed, and whatever `thalweg.lr_find` raises.
    """
    given = taken_fit(script, arguments, fit, "find a learning rate for")
    data, validation = examples(given, "the search for a rate")
    from thalweg.keras.rate_finding import lr_find  # Keras: the script has imported it

    return lr_find(
        given["self"],
        data,
        validation_data=validation,
        class_weight=given["class_weight"],
        epochs=epochs or given["epochs"],
        batch_size=given["batch_size"] or 32,
        seeds=seeds,
        horizon=horizon,
        progress=progress,
    )
