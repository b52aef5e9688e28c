"""The page of a comparison in a real browser: it draws all there is, keeps quiet and fits its window."""

import numpy as np
import pytest

from thalweg.comparison import Comparison, Configuration
from thalweg.profiles import Profiles
from thalweg.render import comparison_page, profiles_page

from . import samples
from .browser import asked, needs_browser, opened

pytestmark = [pytest.mark.browser, needs_browser]

FACTS = """
facts.canvases = document.querySelectorAll(".picture canvas").length;
facts.wide = document.documentElement.scrollWidth <= window.innerWidth;
"""
# What a chart says at a step, as it is shown there, and whether the colour of its line is on its canvas.
HOVER = """
const plot = document.querySelector("#picture-2 .plot");
const chart = echarts.getInstanceByDom(plot);
chart.getZr().flush();
const format = chart.getOption().tooltip[0].formatter;
facts.said = format([{ axisValue: 30 }]).split("\\n");
const axis = chart.getModel().getComponent("yAxis").axis.scale.getExtent();
facts.axis = axis.map((value) => Math.round(100 * value) / 100);
const line = getComputedStyle(document.documentElement).getPropertyValue("--kind-0").trim();
const rgb = [1, 3, 5].map((k) => parseInt(line.slice(k, k + 2), 16));
const canvas = plot.querySelector("canvas");
const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
facts.blue = false;
for (let k = 0; k < pixels.length; k += 4) {
  if (rgb.every((c, n) => Math.abs(pixels[k + n] - c) < 12)) facts.blue = true;
}
"""
LATER = """
const rates = echarts.getInstanceByDom(document.querySelector("#picture-3 .plot"));
facts.dead = rates.getOption().tooltip[0].formatter([{ axisValue: 0 }]).split("\\n");
const seeds = echarts.getInstanceByDom(document.querySelector("#picture-4 .plot"));
facts.before = seeds.getOption().tooltip[0].formatter([{ axisValue: 29 }]).split("\\n");
facts.after = seeds.getOption().tooltip[0].formatter([{ axisValue: 30 }]).split("\\n");
"""


def lonely() -> str:
    return comparison_page(Comparison(samples.compared().members[:1]))


def dead() -> str:
    return comparison_page(Comparison(tuple(m for m in samples.compared() if m.diverged)))


def odd() -> str:
    """Losses below zero, of one value alone, huge, and rates side by side."""
    losses = ((-1.0, -2.0, -3.0), (7.0, 7.0, 7.0), (1e300, 1e-300, 5e-324), (np.nan, np.inf, -1e308))
    return comparison_page(
        Comparison(
            tuple(
                samples.trained(Configuration("sgd", 0.1 + 1e-9 * place), 0, values)
                for place, values in enumerate(losses)
            )
        )
    )


def several() -> str:
    return profiles_page(Profiles({"one": samples.compared(), "other": samples.compared(("adam", "sgd"))}))


@pytest.mark.parametrize("width", [1280, 500])
@pytest.mark.parametrize(
    ("source", "canvases"),
    [
        (lambda: comparison_page(samples.compared(tuple(f"optimizer {n}" for n in range(14)))), 4),
        (lambda: comparison_page(samples.compared(), samples.study(5)[2]), 9),
        (lonely, 3),
        (dead, 2),
        (several, 2),
    ],
    ids=["many", "valleys", "lonely", "dead", "several"],
)
def test_all_is_drawn_and_the_page_is_quiet_and_no_wider_than_its_window(
    source, canvases, width, tmp_path
) -> None:
    page = source()
    shown = opened(page, tmp_path, width)
    assert shown.console == [] and shown.requests == []
    assert asked(page, tmp_path, FACTS, width) == {"canvases": canvases, "wide": True}


def test_odd_numbers_are_drawn_too(tmp_path) -> None:
    shown = opened(odd(), tmp_path)
    assert shown.console == [] and "<canvas" in shown.document


def test_a_band_whose_upper_end_diverged_goes_up_to_the_top(tmp_path) -> None:
    """Two of five seeds are infinite at the second of three epochs: the median is finite, the upper end is not."""
    losses = [(1.0, np.inf if seed > 2 else 1.0, 1.0 + 0.1 * seed) for seed in range(5)]
    made = [samples.trained(Configuration("sgd", 0.1), seed, each) for seed, each in enumerate(losses)]
    script = """
    const plot = document.querySelector("#picture-2 .plot");
    const chart = echarts.getInstanceByDom(plot);
    chart.getZr().flush();
    const canvas = plot.querySelector("canvas");
    const scale = canvas.width / plot.clientWidth;
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const at = (step, share) => {
      const [low, high] = chart.getModel().getComponent("yAxis").axis.scale.getExtent();
      const value = low + share * (high - low);
      const [x, y] = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [step, value]);
      return pixels[4 * (Math.round(y * scale) * canvas.width + Math.round(x * scale)) + 3] > 0;
    };
    facts.above = at(20, 0.93);
    facts.beside = at(11, 0.93);
    """
    assert asked(comparison_page(Comparison(tuple(made))), tmp_path, script) == {
        "above": True,
        "beside": False,
    }


def test_a_chart_says_what_was_measured(tmp_path) -> None:
    facts = asked(comparison_page(samples.compared()), tmp_path, HOVER + LATER)
    assert facts["said"] == [
        "step 30",
        "sgd at 0.1  0.302 (0.3 to 0.304)",
        "adam at 0.1  0.322 (0.32 to 0.324)",
    ]
    assert facts["axis"] == [0, 2] and facts["blue"]
    assert facts["dead"] == ["learning rate 1", "sgd  diverged", "adam  diverged"]
    assert facts["before"] == ["step 29", "sgd at 0.1  0 %", "adam at 0.1  0 %"]
    assert facts["after"] == ["step 30", "sgd at 0.1  100 %", "adam at 0.1  60 %"]
