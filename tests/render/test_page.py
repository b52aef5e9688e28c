"""The page as a file: complete, self-contained, bounded, and all text from outside in it stays text."""

import hashlib
import json
import re
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest

from thalweg.finding import Diagnosis, Evidence, Finding, Remedy, Verdict
from thalweg.record import Event, Record, Series
from thalweg.render import page
from thalweg.render.charts import charts
from thalweg.render.markup import Html, data, html, prose, trusted

from . import samples

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&{name}\u2028\ud800\x00<!--"
SAMPLES = [samples.healthy, samples.spike, samples.broken, samples.foreign, samples.empty]
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Document(HTMLParser):
    """Tags, attributes and text of a page; an element that is closed wrongly fails."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.scripts: dict[str | None, str] = {}
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] in ("script", "style"):
            self.scripts[self.tags[-1][1].get("id")] = text
        else:
            self.text.append(text)

    @property
    def ids(self) -> list[str]:
        return [a["id"] for _, a in self.tags if a.get("id")]

    @property
    def payload(self) -> dict:
        return json.loads(self.scripts["data"])

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def squeezed(text: str) -> str:
    """Without blanks and backticks: code in a sentence is an element of its own."""
    return text.replace(" ", "").replace("`", "")


@pytest.mark.parametrize("sample", SAMPLES)
def test_structure(sample):
    record, diagnosis = sample()
    source = page(record, diagnosis)
    document = Document(source)
    assert len(source.encode()) < 2_000_000
    assert sum(tag == "h1" for tag, _ in document.tags) == 1
    assert len(document.ids) == len(set(document.ids))
    links = [a["href"] for tag, a in document.tags if tag == "a"]
    assert links and all(link.startswith("#") and link[1:] in document.ids for link in links)
    assert diagnosis.answer in document.words
    for finding in diagnosis:
        assert squeezed(finding.message) in squeezed(document.words)
        assert finding.code in document.words
    assert "The curves need JavaScript." in document.words


def test_a_concern_shows_its_evidence_its_remedies_and_its_charts():
    record, diagnosis = samples.spike()
    document = Document(page(record, diagnosis))
    (finding,) = diagnosis.concerns
    for remedy in finding.remedies:
        assert remedy.action in document.words and remedy.reason in document.words
    assert "gradient norm loss/parameter 1.45e+03 7.57 75.7" in document.words
    assert "93 % 31 %" in document.words
    assert "thalweg explain G002" in document.words
    shown = [c for c in document.payload["charts"] if c["marks"]]
    assert {c["title"] for c in shown} == {"loss", "gradient norm"}
    assert all(c["marks"] == [["G002", samples.SPIKE, "finding-1", True]] for c in shown)
    assert document.payload["maps"][0]["marks"] == [["G002", samples.SPIKE, "finding-1", True]]
    links = [a["href"] for tag, a in document.tags if tag == "a"]
    assert links.count("#finding-1") == 3
    assert all(f"#{c['anchor']}" in links for c in shown)


def test_axes_are_logarithmic_where_it_belongs():
    drawn = {c.title: c for c in charts(*samples.spike()).charts}
    assert drawn["loss"].log and drawn["gradient norm"].log and drawn["update norm"].log
    assert not drawn["gradient cosine"].log and drawn["gradient cosine"].limits == (-1.0, 1.0)
    assert not drawn["accuracy"].log and not drawn["parameter norm"].log
    zero = Series("gradient_norm", "loss/parameter", [1, 2], [0.0, 100.0])
    (chart,) = charts(Record.of([zero]), Diagnosis("?", ())).charts
    assert not chart.log


def test_batch_epoch_and_validation_share_a_chart_and_every_series_has_a_place():
    record, diagnosis = samples.spike()
    drawn = charts(record, diagnosis)
    assert drawn.charts[0].series == ("loss", "epoch_loss", "validation_loss", "probe_loss")
    assert drawn.charts[1].series == ("epoch_accuracy", "validation_accuracy")
    assert all(drawn.shows(name) for name in record.series)
    assert [m.rows for m in drawn.maps] == [samples.TENSORS] * 4


def test_what_was_not_finite_is_said_and_marked():
    record, diagnosis = samples.broken(1201)
    document = Document(page(record, diagnosis))
    (loss, *_) = document.payload["charts"]
    assert loss["lines"][0]["gaps"] == [[1201, 2000, "NaN"]]
    assert [1201, None] in loss["lines"][0]["points"]
    assert "batch: 800 values not finite (NaN), step 1,201 to 2,000." in document.words
    assert document.payload["maps"][0]["broken"]
    assert "Hatched cells" in document.words


@pytest.mark.parametrize("where", ["name", "series", "tensor", "finding", "event", "setting"])
def test_no_string_from_outside_becomes_markup(where):
    at = HOSTILE
    record, diagnosis = samples.spike()
    info, made, events = dict(record.info), dict(record.series), list(record.events)
    if where == "name":
        info.update(name=at, started=at, backend=at, step_unit=at, loss=at, **{at: at})
    if where == "series":
        made[f"epoch_{at}"] = Series(f"epoch_{at}", at, [1, 2], [1.0, 2.0])
    if where == "tensor":
        for name in (f"gradient_norm/{at}", f"dead_fraction/{at}"):
            made[name] = Series(name, at, [1, 2], [1.0, np.nan])
        info["tensors"] = [{"name": at, at: at}]
    if where == "event":
        events += [
            Event(3, at, {at: at}),
            Event(4, "unwatched", {"reason": at}),
            Event(5, "finished", {"reason": at}),
        ]
    if where == "setting":
        info.update(
            optimizer={"name": at, at: [at, {at: at}]}, model={"name": at}, layers=[{"name": at}], data=at
        )
    if where == "finding":
        odd = Finding(at, at, Verdict.CONCERN, at, {at: Evidence(at, at)}, (at,), 5, at, (Remedy(at, at),))
        diagnosis = Diagnosis(at, (odd,))
    source = page(Record(info, made, tuple(events)), diagnosis)
    clean = Document(page(*samples.spike()))
    document = Document(source)
    source.encode()
    assert not any(tag == "img" for tag, _ in document.tags)
    assert not any(key.startswith("on") for _, attributes in document.tags for key in attributes)
    assert sum(t == "script" for t, _ in document.tags) == sum(t == "script" for t, _ in clean.tags) == 3
    # It was there to be shown, and is: as text.
    assert "</script><img src=x onerror=alert(1)>" in document.words


def test_nothing_is_fetched_and_only_our_own_scripts_may_run():
    document = Document(page(*samples.spike()))
    for _tag, attributes in document.tags:
        assert not attributes.get("src")
        assert (attributes.get("href") or "#").startswith(("#", "data:,"))
        assert "style" not in attributes
    (policy,) = [a["content"] for t, a in document.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and policy.startswith("default-src 'none';")
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy
    for asset in ("page.css", "page.js", "pictures.js", "bands.js"):
        text = resources.files("thalweg.render").joinpath("assets", asset).read_text(encoding="utf-8")
        assert not re.search(r"https?:|url\(|@import|\bfetch\b|XMLHttpRequest|innerHTML|eval", text)


def test_a_long_run_of_many_layers_stays_small():
    tensors = tuple(f"block_{n}/kernel" for n in range(12))
    steps = 100_000
    record = Record.of(samples.run(steps, 50, tensors).values(), samples.info(tensors=tensors))
    source = page(record, Diagnosis("Yes.", ()))
    assert len(source) < 3_000_000
    document = Document(source)
    loss = record.series["loss"]
    values = [v for _, v in document.payload["charts"][0]["lines"][0]["points"]]
    assert len(values) <= 2_002
    assert max(values) == pytest.approx(loss.values.max(), rel=1e-4)
    assert "Long curves are drawn with the smallest and the largest value" in document.words


def test_thousands_of_tensors_are_bounded_and_the_accused_one_stays():
    names = [f"gradient_norm/layer_{n}/kernel" for n in range(5000)] + [
        f"dead_fraction/layer_{n}" for n in range(5000)
    ]
    record = Record.of([Series(n, "1", np.arange(1, 6), np.ones(5)) for n in names])
    accused = ("gradient_norm/layer_4711/kernel", "dead_fraction/layer_4711")
    finding = Finding("X001", "T", Verdict.CONCERN, "M.", series=accused, step=3)
    drawn = charts(record, Diagnosis("No.", (finding,)))
    assert len(drawn.maps[0].rows) == 400 and "layer_4711/kernel" in drawn.maps[0].rows
    assert len(drawn.charts[0].lines) == 400 and "layer_4711" in [line.name for line in drawn.charts[0].lines]
    assert len(page(record, Diagnosis("No.", (finding,)))) < 3_000_000
    assert "Of 5,000 parameter tensors 400 are in the map of layers." in drawn.note


@pytest.mark.parametrize(
    "values", [[], [np.nan], [np.inf, -np.inf], [0.0], [1e300, -1e300], [5e-324], [1.0, np.nan, 1.0]]
)
def test_any_series_makes_a_page(values):
    steps = [2**62 + n for n in range(len(values))]
    names = ["loss", "gradient_norm", "gradient_norm/a/b", "dead_fraction/a", "epoch_loss"]
    record = Record.of([Series(name, "fraction", steps, values) for name in names])
    finding = Finding("X001", "T", Verdict.CONCERN, "M.", series=tuple(names), step=7)
    Document(page(record, Diagnosis("No.", (finding,)))).payload  # noqa: B018


def test_odd_facts_make_a_page():
    odd = {
        "model": "a string",
        "optimizer": 3,
        "tensors": {"name": 1},
        "layers": [1, {"name": 2}],
        "versions": [],
        "started": 5,
        "name": None,
        "constant_prediction_loss": "many",
        "data": {"inputs": [], "x": [[1], [2]]},
    }
    events = (Event(1, "epoch", {}), Event(2, "finished", {}), Event(3, "epoch", {"epoch": 2}))
    document = Document(page(Record(odd, {}, events), Diagnosis("?", ())))
    assert "unnamed run" in page(Record(odd, {}, events), Diagnosis("?", ()))
    assert document.payload["epochs"] == [[3, 2]]


def test_the_vendored_library_is_the_one_that_its_note_names():
    assets = resources.files("thalweg.render").joinpath("assets")
    note = assets.joinpath("README.md").read_text(encoding="utf-8")
    (noted,) = re.findall(r"sha256: `([0-9a-f]{64})`", note)
    library = assets.joinpath("echarts.min.js").read_bytes()
    assert hashlib.sha256(library).hexdigest() == noted
    (version,) = re.findall(r"6\.\d+\.\d+", note)
    assert f'version="{version}"'.encode() in library
    assert "Apache License" in assets.joinpath("LICENSE-echarts.txt").read_text(encoding="utf-8")


def test_templates_escape_everything_but_html():
    assert html("<b>{x}</b>", x="<i>&\"'") == "<b>&lt;i&gt;&amp;&quot;&#x27;</b>"
    assert html("{x}", x=[html("<i>{y}</i>", y="<"), "<", None, 3]) == "<i>&lt;</i>&lt;3"
    assert html("{x}", x=Html("<i>") + "") == "&lt;i&gt;", "a sum of Html and text is text"
    assert prose("set `a<b` on <x>") == "set <code>a&lt;b</code> on &lt;x&gt;"
    assert prose("one ` tick <") == "one ` tick &lt;"
    assert html("{x}", x="{y} {0.__class__}") == "{y} {0.__class__}"
    assert json.loads(data({HOSTILE[:40]: ["</script>", "\u2029", "&"]})) == {
        HOSTILE[:40]: ["</script>", "\u2029", "&"]
    }
    assert not set(data({"x": "<>&\u2028\u2029"})) & set("<>&\u2028\u2029")
    with pytest.raises(ValueError):
        data({"x": float("nan")})
    with pytest.raises(ValueError):
        trusted("</SCRIPT>")
