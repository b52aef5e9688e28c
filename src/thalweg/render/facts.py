"""What was recorded, told as it is: the facts noted once, what happened, and which series there are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.finding import Diagnosis
from thalweg.record import Record
from thalweg.render.markup import Html, html
from thalweg.render.plain import label, listed, plain, stages_in_words
from thalweg.study import Study
from thalweg.study_examination import StudyExamination
from thalweg.words import figure, percent, plural

_ITEMS, _ROWS = 40, 300
"""Of a list in a line, and of a table: a page is for reading, the record keeps the rest."""
_TITLES = {
    "data": "Data",
    "model": "Model",
    "layers": "Layers",
    "frozen": "Frozen weights",
    "losses": "Losses",
    "callbacks": "Callbacks",
    "callback_ends": "Callbacks at the end",
    "contract": "Output, loss and targets",
    "tensors": "Parameter tensors",
    "optimizer": "Optimizer",
    "fit": "Fit",
    "versions": "Versions",
    "watch": "Watch",
}
_EVENTS = {
    "finished": "Finished",
    "adapted": "Adapted",
    "thinned": "Measured less often",
    "unwatched": "Not watched",
    "learning_rate": "Learning rate changed",
    "damaged": "The record is damaged",
}


def about(record: Record, diagnosis: Diagnosis) -> Html:
    """The run at a glance, for the first screen."""
    info = record.info
    pairs = {
        "Run": info.get("name"),
        "Started": _moment(info.get("started")),
        "Length": _length(record),
        "Stages": stages_in_words(diagnosis.stages, record),
        **_training(info),
    }
    return _pairs(pairs)


def about_runs(study: Study, examination: StudyExamination) -> Html:
    """What several runs of one training share, and what was looked at, for the first screen."""
    looked = f"{examination.which}, {examination.mode}" if examination.mode else ""
    return _pairs({"Runs": f"{len(study):,}", **_training(study.records[0].info), "Looked at": looked})


def about_compared(pairs: Mapping[str, str], record: Record) -> Html:
    """What a comparison is of, for the first screen: these facts, and what its trainings share, from one of them."""
    training = _training(record.info)
    del training["Optimizer"]
    return _pairs({**pairs, **training})


def runs(study: Study, examination: StudyExamination) -> Html:
    """Each run in a row: its seed, how long it was, the loss at its end; and what is not the same of all."""
    levels = examination.losses.levels if examination.losses is not None else ()
    columns = [
        (name, level.tolist())
        for name, level in zip(("training loss", "validation loss"), levels, strict=False)
        if len(level) == len(study) and not np.isnan(level).all()
    ]
    rows = [
        {"run": name, "seed": seed, "length": _length(record)}
        | {title: column[n] for title, column in columns}
        for n, ((name, record), seed) in enumerate(zip(study, study.seeds, strict=True))
    ]
    measured = "Losses are of the final weights, in inference mode, on the same examples for all runs."
    return html(
        "{rows}{notes}",
        rows=_rows(rows),
        notes=[
            html('<p class="note">{note}</p>', note=note)
            for note in (*study.differences, *([measured] if columns else []))
        ],
    )


def _pairs(pairs: Mapping[str, Any]) -> Html:
    return html(
        "{pairs}",
        pairs=[html("<div><dt>{k}</dt><dd>{v}</dd></div>", k=k, v=v) for k, v in pairs.items() if v],
    )


def _length(record: Record) -> str:
    unit = plain(record.info.get("step_unit") or "step")
    epochs = sum(e.kind == "epoch" for e in record.events)
    ended = [plain(e.detail.get("reason", "")) for e in record.events if e.kind == "finished"]
    length = plural(record.last_step, unit) + (f", {plural(epochs, 'epoch')}" if epochs else "")
    return ", ".join(filter(None, (length, *ended[-1:])))


def _training(info: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Model": _model(info.get("model")),
        "Optimizer": _optimizer(info.get("optimizer")),
        "On": ", ".join(plain(info[key]) for key in ("backend", "device", "precision") if info.get(key)),
    }


def recorded(record: Record) -> Html:
    """Everything noted once, what happened, and the series, each in a table."""
    info = dict(record.info)
    loose = {k: info.pop(k) for k in list(info) if not isinstance(info[k], Mapping | list | tuple)}
    parts = [_section("Run", _table(loose))] if loose else []
    for key in sorted(info, key=lambda k: (list(_TITLES).index(k) if k in _TITLES else len(_TITLES), k)):
        parts.append(_section(_TITLES.get(key, label(key)), _value(info[key])))
    parts.append(_section("What happened", _events(record)))
    parts.append(_section("Series", _series(record)))
    return html("{parts}", parts=[p for p in parts if p])


def _section(title: str, body: Html | None) -> Html | None:
    return html("<h3>{title}</h3>{body}", title=title, body=body) if body else None


def _value(value: Any) -> Html | None:
    if isinstance(value, Mapping):
        return _table(value)
    if isinstance(value, list | tuple):
        if value and all(isinstance(v, Mapping) for v in value):
            return _rows(value)
        return html("<p>{items}</p>", items=listed(value, _ITEMS)) if value else None
    return html("<p>{value}</p>", value=_words(value))


def _table(facts: Mapping[Any, Any]) -> Html | None:
    nested = {
        k: v for k, v in facts.items() if isinstance(v, list | tuple) and v and isinstance(v[0], Mapping)
    }
    rows = [
        html('<tr><th scope="row">{k}</th><td>{v}</td></tr>', k=label(k), v=_words(v))
        for k, v in facts.items()
        if k not in nested
    ]
    table = html('<div class="scroll"><table class="facts">{rows}</table></div>', rows=rows) if rows else None
    inner = [html("<h4>{title}</h4>{body}", title=label(k), body=_value(v)) for k, v in nested.items()]
    return html("{table}{inner}", table=table, inner=inner) if rows or inner else None


def _rows(items: Sequence[Mapping[Any, Any]]) -> Html:
    """A table with a column for every key that any item has."""
    keys = list(dict.fromkeys(k for item in items for k in item))
    rest = len(items) - _ROWS
    return html(
        '<div class="scroll"><table class="list"><thead><tr>{heads}</tr></thead>'
        "<tbody>{rows}</tbody></table></div>{rest}",
        heads=[html('<th scope="col">{k}</th>', k=label(k)) for k in keys],
        rows=[html("<tr>{cells}</tr>", cells=[_cell(item.get(k)) for k in keys]) for item in items[:_ROWS]],
        rest=html('<p class="note">And {rest} more.</p>', rest=f"{rest:,}") if rest > 0 else None,
    )


def _cell(value: Any) -> Html:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return html('<td class="{kind}">{v}</td>', kind="number" if number else "text", v=_words(value))


def _words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return figure(value)
    if isinstance(value, Mapping):
        return listed((f"{label(k)}: {_words(v)}" for k, v in value.items()), _ITEMS)
    return listed(value, _ITEMS) if isinstance(value, list | tuple) else plain(value)


def _events(record: Record) -> Html | None:
    told = [e for e in record.events if e.kind != "epoch"]
    return (
        _rows(
            [
                {"step": e.step, "what": _EVENTS.get(e.kind, label(e.kind)), "detail": _detail(e.detail)}
                for e in told
            ]
        )
        if told
        else None
    )


def _detail(detail: Mapping[str, Any]) -> str:
    words = {k: percent(v) if k == "cost" and isinstance(v, int | float) else v for k, v in detail.items()}
    return ", ".join(f"{label(k)}: {_words(v)}" for k, v in words.items() if v not in (None, ""))


def _series(record: Record) -> Html | None:
    told = [
        {
            "series": s.name,
            "unit": s.unit,
            "values": len(s),
            "first step": int(s.steps[0]) if len(s) else None,
            "last step": int(s.steps[-1]) if len(s) else None,
        }
        for s in record.series.values()
    ]
    return _rows(told) if told else None


def _moment(started: Any) -> str:
    """`2026-11-22 17:56` of an ISO 8601 time; what is not one stays as it is."""
    return plain(started or "")[:16].replace("T", " ")


def _model(model: Any) -> str:
    if not isinstance(model, Mapping):
        return plain(model or "")
    count = model.get("trainable_parameters")
    name = plain(model.get("name") or model.get("class") or "")
    return ", ".join(filter(None, (name, plural(count, "parameter") if isinstance(count, int) else "")))


def _optimizer(optimizer: Any) -> str:
    if not isinstance(optimizer, Mapping):
        return plain(optimizer or "")
    rate = optimizer.get("learning_rate")
    name = plain(optimizer.get("name") or "")
    return ", ".join(
        filter(None, (name, f"learning rate {figure(rate)}" if isinstance(rate, int | float) else ""))
    )
