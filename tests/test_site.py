"""The documentation site: it builds without a warning, has every rule, and fetches nothing from elsewhere."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from thalweg import RULES

ROOT = Path(__file__).parents[1]

for _package in ("mkdocs", "material", "mkdocstrings"):
    pytest.importorskip(_package, reason=f"{_package} is not installed (the extra `docs`)")


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    settings = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, env=settings)
    assert built.returncode == 0, built.stderr
    return folder


class References(HTMLParser):
    """What a browser fetches with a page, links that a reader may follow left out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.found += [given[key] for key in ("src", "srcset", "data") if given.get(key)]
        if tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.found.append(given["href"])


def test_every_rule_has_its_page_with_its_manual(site):
    index = (site / "rules" / "index.html").read_text()
    for rule in RULES:
        page = (site / "rules" / f"{rule.code}.html").read_text()
        assert f"{rule.code}: {rule.title}" in page.replace("&#39;", "'")
        for heading in ("What it asks", "Thresholds", "What to do", "Measured rates"):
            assert re.search(rf"<h2 id=[^>]*>{heading}", page), f"{rule.code} has no {heading!r}"
        assert f'href="{rule.code}.html"' in index


def test_nothing_is_fetched_from_elsewhere(site):
    found = list(site.rglob("*.html"))
    assert len(found) > len(RULES)
    for path in found:
        parser = References()
        parser.feed(path.read_text())
        outside = [each for each in parser.found if re.match(r"(https?:)?//", each)]
        assert not outside, f"{path.name} fetches {outside}"
    for path in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", path.read_text()), path.name


def test_the_public_names_and_the_readme_are_there(site):
    text = (site / "api.html").read_text()
    for name in ("diagnose", "Watch", "Record", "Finding"):
        assert f'id="thalweg.{name}"' in text
    assert "Is my network converging" in (site / "index.html").read_text()
    assert (site / "changes.html").exists()


CALIBRATION = """# Calibration

## Programs

| | all |
|---|---|
| by V001 | 1 of 66 |
| by L001, L002 | 0 of 66 |
| rule V0011 | 9 |

### Rules of the loss

| shape | L001 | L002 |
|---|---|---|
| flat | 3 | 4 |

### V001 on flat losses

| epochs | alarms |
|---|---|
| 10 | 0.5 |

text about V001, which is no table
"""


def test_rates_are_the_rows_columns_and_tables_that_name_the_rule(pages):
    assert list(pages.rates("L002", CALIBRATION)) == [
        "Programs:\n\n|  | all |\n| --- | --- |\n| by L001, L002 | 0 of 66 |",
        "Rules of the loss:\n\n| shape | L002 |\n| --- | --- |\n| flat | 4 |",
    ]
    assert list(pages.rates("V001", CALIBRATION)) == [
        "Programs:\n\n|  | all |\n| --- | --- |\n| by V001 | 1 of 66 |",
        "V001 on flat losses:\n\n| epochs | alarms |\n| --- | --- |\n| 10 | 0.5 |",
    ]
    assert list(pages.rates("G001", CALIBRATION)) == []
    assert "None is in the" in pages.manual(RULES[0], "")


def test_links_of_the_readme_lead_into_the_site_or_become_text(pages, tmp_path):
    (tmp_path / "README.md").write_text(
        "[a](docs/record.md) [b](CHANGELOG.md) [c](benchmarks/x.py) [d](https://e.org) ![e](docs/report.png) "
        "[f](docs/decisions)"
    )
    assert pages.of_the_root(tmp_path / "README.md") == (
        "[a](record.md) [b](changes.md) c [d](https://e.org) ![e](report.png) "
        "[f](decisions/0001-interposed-methods.md)"
    )
