"""The page in a real browser: it draws, marks the right step, keeps quiet and asks nobody."""

from dataclasses import replace

import numpy as np
import pytest

from thalweg.certificate import Claim, Status
from thalweg.finding import Diagnosis, Evidence
from thalweg.record import Record, Series
from thalweg.render import page, study_page
from thalweg.render.crossing import crossing

from . import samples
from .browser import asked, needs_browser, opened

pytestmark = [pytest.mark.browser, needs_browser]

ODD = ([0.0, 0.0, 0.0], [1e300, -1e300, 0.0], [5e-324, 1.0, 1e300], [np.nan, 7.0, 7.0])

# The columns of a chart in which the bottom of the plot has the colour of a concern, as the canvas shows it,
# and where the first and the last step are.
MARKED = """
const red = getComputedStyle(document.documentElement).getPropertyValue("--concern").trim();
const rgb = [1, 3, 5].map((k) => parseInt(red.slice(k, k + 2), 16));
const {first, last} = JSON.parse(document.getElementById("data").textContent);
for (const box of document.querySelectorAll("figure.chart:not(.map)")) {
  const plot = box.querySelector(".plot");
  const chart = echarts.getInstanceByDom(plot);
  if (!chart) continue;
  chart.getZr().flush();
  const canvas = plot.querySelector("canvas");
  const row = canvas.getContext("2d").getImageData(0, canvas.height - 31, canvas.width, 1).data;
  const columns = [];
  for (let x = 0; x < canvas.width; x++) {
    const like = rgb.every((c, k) => Math.abs(row[4 * x + k] - c) < 60);
    if (like) columns.push(x * plot.clientWidth / canvas.width);
  }
  facts[box.querySelector("h3").textContent] = {
    columns,
    ends: [first, last].map((step) => chart.convertToPixel({xAxisIndex: 0}, step)),
    width: plot.clientWidth,
  };
}
"""


@pytest.mark.parametrize(
    "sample", [samples.healthy, samples.spike, samples.broken, samples.foreign, samples.empty]
)
def test_a_page_is_quiet(sample, tmp_path):
    shown = opened(page(*sample()), tmp_path)
    assert shown.console == []
    assert shown.requests == []
    assert 'data-drawn=""' in shown.document
    assert ("<canvas" in shown.document) == (sample is not samples.empty)


@pytest.mark.parametrize("sample", [samples.edge, samples.empty])
def test_a_page_with_a_certificate_is_quiet(sample, tmp_path):
    record, diagnosis = sample()
    shown = opened(page(record, diagnosis, *samples.certified(record)), tmp_path)
    assert shown.console == [] and shown.requests == []
    assert 'data-drawn=""' in shown.document and "<canvas" in shown.document


@pytest.mark.parametrize("width", [1280, 500])
def test_the_page_of_several_runs_draws_its_lines_and_is_quiet(width, tmp_path):
    source = study_page(*samples.study())
    shown = opened(source, tmp_path, width)
    assert shown.console == [] and shown.requests == []
    script = """
    facts.canvases = document.querySelectorAll(".picture canvas").length;
    facts.wide = document.documentElement.scrollWidth <= window.innerWidth;
    """
    assert asked(source, tmp_path, script, width) == {"canvases": 3, "wide": True}


@pytest.mark.parametrize("fault", ["image", "script", "error", "request"])
def test_a_page_that_is_not_quiet_is_noticed(fault, tmp_path):
    source = page(*samples.foreign())
    if fault in ("image", "request"):
        source = source.replace("<main", '<img src="http://example.invalid/x.png"><main', 1)
    if fault in ("error", "request"):
        source = source.replace("Content-Security-Policy", "x-nothing", 1)
    if fault == "script":
        source = source.replace("<main", "<script>1</script><main", 1)
    if fault == "error":
        source = source.replace('"use strict";', '"use strict"; missing();', 1)
    shown = opened(source, tmp_path)
    if fault == "request":
        assert shown.requests == ["http://example.invalid/x.png"]
    else:
        assert shown.console != []


@pytest.mark.parametrize(("step", "width"), [(100, 1280), (1500, 1280), (1500, 500)])
def test_the_mark_is_where_the_step_is(step, width, tmp_path):
    record, diagnosis = samples.spike(step)
    shown = asked(page(record, diagnosis), tmp_path, MARKED, width)
    assert {name for name, fact in shown.items() if fact["columns"]} == {"loss", "gradient norm"}
    for name in ("loss", "gradient norm"):
        columns, (left, right) = shown[name]["columns"], shown[name]["ends"]
        expected = left + (right - left) * step / 2000
        assert right - left > 0.7 * shown[name]["width"]
        assert len(columns) <= 3
        assert all(abs(column - expected) <= 2 for column in columns)


# What the canvas of each picture shows: the colour under a place of a grid, and where the limit's colour is.
PICTURES = """
const images = new Map(); // each canvas is read once: the browser warns of more
const at = (plot, grid, [x, y]) => {
  const chart = echarts.getInstanceByDom(plot);
  const canvas = plot.querySelector("canvas");
  if (!images.has(plot)) {
    chart.getZr().flush();
    images.set(plot, canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data);
  }
  const scale = canvas.width / plot.clientWidth;
  const [left, top] = chart.convertToPixel({ gridIndex: grid }, [x, y]).map((place) => Math.round(place * scale));
  const start = 4 * (top * canvas.width + left);
  return [...images.get(plot).slice(start, start + 4)];
};
const rgb = (name) => {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));
};
const [spectrum, plane, crossing] = [1, 2, 3].map((n) => document.querySelector(`#picture-${n} .plot`));
facts.plain = [rgb("--paper"), rgb("--ink"), rgb("--alone"), rgb("--lost"), rgb("--validation"), rgb("--epoch")];
facts.smallest = at(spectrum, 0, [-3.70757, -0.6]);
facts.stem = at(spectrum, 0, [1.95424, -2]);
facts.above = at(spectrum, 0, [1.95424, -1]);
facts.sum = at(spectrum, 1, [1.5, 0.9133]);
facts.path = at(plane, 0, JSON.parse(document.getElementById("data").textContent).pictures[1].path[4]);
facts.low = at(plane, 0, [0.5, 0.15]);
facts.high = at(plane, 0, [-7.75, 1.7]);
facts.lost = at(plane, 0, [-9.6, 1.72]);
facts.before = at(crossing, 0, [0.5, 2.01]);
facts.after = at(crossing, 0, [0.5, 0.2]);
facts.heights = [spectrum, plane, crossing].map((plot) => plot.clientHeight);
facts.wide = [document.documentElement.scrollWidth, window.innerWidth];
"""


@pytest.mark.parametrize("width", [1280, 500])
def test_the_pictures_show_what_was_measured_where_it_was(width, tmp_path):
    record, diagnosis = samples.edge()
    shown = page(record, diagnosis, *samples.certified(record), further=[samples.between()])
    facts = asked(shown, tmp_path, PICTURES, width)
    paper, ink, alone, lost, before, after = facts["plain"]

    def like(seen: list[int], wanted: list[int], near: int = 60) -> bool:
        return seen[3] > 120 and all(abs(a - b) <= near for a, b in zip(seen, wanted, strict=False))

    assert like(facts["smallest"], ink)
    assert like(facts["stem"], alone) and not like(facts["above"], alone), "a share of 7 % ends below 10 %"
    assert like(facts["sum"], alone)
    assert like(facts["path"], [255, 255, 255])
    assert like(facts["low"], [68, 1, 84]) and like(facts["high"], [253, 231, 37])
    assert like(facts["lost"], lost) or like(facts["lost"], paper)
    assert like(facts["before"], before) and like(facts["after"], after)
    assert facts["heights"][1] >= 300 and facts["wide"][0] <= facts["wide"][1]


def test_hostile_numbers_and_names_of_a_certificate_are_drawn_in_peace(tmp_path):
    record, diagnosis = samples.healthy()
    certificate, examination = samples.certified(record)
    name = "{a|b}</script><img src=x onerror=alert(1)>" + "a_name_without_any_place_to_break_" * 5
    claim = Claim(name, name, Status.REFUTED, name, {name: Evidence(name, name)}, (name,), name)
    t = np.array([0.0, 0.5, 1.0])
    further = [crossing({name: (t, t), "b": (t, np.array(values))}, (name, name)) for values in ODD]
    examination = replace(
        examination,
        curvature=samples.curvature(1e-200),
        step_limit=replace(examination.step_limit, limit=1e-199),
        plane=replace(examination.plane, losses=np.full((21, 21), 3.0)),
    )
    certificate = replace(certificate, head=name, claims=(claim,) * 3)
    script = """
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    for (const plot of document.querySelectorAll(".plot")) {
      const chart = echarts.getInstanceByDom(plot);
      if (!chart) continue;
      for (const x of [100, 200, 300]) for (const y of [40, 150]) chart.dispatchAction({ type: "showTip", x, y });
    }
    document.querySelector("[data-zoom=in]").click();
    facts.images = document.querySelectorAll("img").length;
    facts.canvases = document.querySelectorAll(".picture canvas").length;
    facts.wide = document.documentElement.scrollWidth <= window.innerWidth;
    """
    facts = asked(page(record, diagnosis, certificate, examination, further=further), tmp_path, script, 500)
    assert facts == {"images": 0, "canvases": 2 + len(ODD), "wide": True}


def test_zoom_buttons_move_all_charts_together(tmp_path):
    script = """
    const press = (move) => {
      document.querySelector(`[data-zoom=${move}]`).click();
      return look();
    };
    const look = () => {
      const all = [...document.querySelectorAll(".plot")];
      const plots = all.map((plot) => echarts.getInstanceByDom(plot)).filter(Boolean);
      const zooms = plots.map((chart) => chart.getOption().dataZoom[0]).map((z) => `${z.start} ${z.end}`);
      return [document.getElementById("range").textContent, plots.length, [...new Set(zooms)]];
    };
    facts.all = ["in", "right", "out", "left", "reset"].map(press);
    const one = echarts.getInstanceByDom(document.querySelector("#chart-2 .plot"));
    one.dispatchAction({ type: "dataZoom", start: 40, end: 60 });
    facts.dragged = look();
    """
    facts = asked(page(*samples.spike()), tmp_path, script)
    said = facts["all"]
    assert [words for words, _, _ in said] == [
        "steps 500 to 1,500",
        "steps 1,000 to 2,000",
        "steps 0 to 2,000",
        "steps 0 to 2,000",
        "steps 0 to 2,000",
    ]
    assert all(charts == 9 for _, charts, _ in said)
    assert [zooms for _, _, zooms in said] == [["25 75"], ["50 100"], ["0 100"], ["0 100"], ["0 100"]]
    assert facts["dragged"] == ["steps 800 to 1,200", 9, ["40 60"]]


def test_the_theme_turns_without_storage(tmp_path):
    refuse = "() => { throw new Error('no'); }"
    early = f"for (const name of ['getItem', 'setItem']) Storage.prototype[name] = {refuse};"
    script = """
    const look = () => getComputedStyle(document.body).backgroundColor;
    facts.looks = [look()];
    document.getElementById("theme").click();
    facts.looks.push(look(), document.getElementById("theme").textContent);
    """
    looks = asked(page(*samples.foreign()), tmp_path, script, early=early)["looks"]
    assert looks == ["rgb(252, 252, 251)", "rgb(20, 23, 26)", "Light"]


def test_a_link_into_a_fold_opens_it_and_draws_its_charts(tmp_path):
    record, diagnosis = samples.healthy()
    script = """
    const fold = document.querySelector(".more");
    const box = fold.querySelector("figure");
    facts.before = [fold.open, Boolean(box.querySelector("canvas"))];
    location.hash = box.id;
    window.dispatchEvent(new Event("hashchange"));
    facts.after = [fold.open, Boolean(box.querySelector("canvas"))];
    """
    facts = asked(page(record, diagnosis), tmp_path, script)
    assert facts == {"before": [False, False], "after": [True, True]}


@pytest.mark.parametrize("width", [1280, 500])
def test_nothing_is_wider_than_the_screen(width, tmp_path):
    record, diagnosis = samples.spike(name="a_name_without_any_place_to_break_" * 5)
    script = "facts.wide = [document.documentElement.scrollWidth, window.innerWidth];"
    wide, inner = asked(page(record, diagnosis), tmp_path, script, width)["wide"]
    assert wide <= inner


def test_hostile_names_and_numbers_are_drawn_in_peace(tmp_path):
    name = "{a|b}</script><img src=x onerror=alert(1)>"
    odd = [1e300, -1e300, 0.0, 5e-324, float("inf"), 1.0]
    steps = [2**50 + n for n in range(6)]
    made = [Series(f"{q}/{name}", "1", steps, odd) for q in ("gradient_norm", "dead_fraction")]
    made += [
        Series("loss", "1", steps, odd),
        Series("gradient_norm", "1", steps, [1e-300, 1e300, 1, 1, 1, 1]),
    ]
    script = """
    for (const plot of document.querySelectorAll(".plot")) {
      const chart = echarts.getInstanceByDom(plot);
      for (const x of [100, 200, 300]) chart.dispatchAction({ type: "showTip", x, y: 40 });
    }
    facts.images = document.querySelectorAll("img").length;
    """
    facts = asked(page(Record.of(made, {"name": name}), Diagnosis("?", ())), tmp_path, script)
    assert facts == {"images": 0}
