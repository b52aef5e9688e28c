"""The certificate of several runs as a page: `thalweg certify RUN RUN -o FILE`, then `thalweg report FILE`."""

import shutil

import pytest
from click.testing import CliRunner

import thalweg
from thalweg.cli.group import thalweg as command_line
from thalweg.errors import RunFolderError, UsageError


def invoke(*arguments):
    return CliRunner().invoke(command_line, [str(argument) for argument in arguments])


@pytest.fixture
def seeds(runs, tmp_path):
    """The file of a certificate, beside its two runs."""
    for name in ("healthy", "broken"):
        shutil.copytree(runs / name, tmp_path / name)
    made = invoke("certify", "-o", tmp_path / "seeds.json", tmp_path / "healthy", tmp_path / "broken")
    assert f"The pictures: thalweg report {tmp_path / 'seeds.json'}" in made.stdout
    return tmp_path / "seeds.json"


def test_the_certificate_of_several_runs_becomes_a_page(seeds, tmp_path):
    page = tmp_path / "page.html"
    result = invoke("report", seeds, "-o", page)
    assert (result.exit_code, result.stdout) == (0, f"The report is at {page}\n")
    text = page.read_text(encoding="utf-8")
    assert "The seeds end at the same loss." in text and str(tmp_path / "broken") in text
    assert thalweg.report(seeds, tmp_path / "other.html").read_text(encoding="utf-8") == text


def test_a_page_is_of_the_present_state_of_the_runs(seeds, tmp_path):
    shutil.rmtree(tmp_path / "broken")
    with pytest.raises(RunFolderError, match="broken' does not exist"):
        thalweg.report(seeds, tmp_path / "page.html")
    shutil.copytree(tmp_path / "healthy", tmp_path / "broken")
    with pytest.raises(
        RunFolderError, match=r"of another state of these runs .*`thalweg certify` makes it anew"
    ):
        thalweg.report(seeds, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_the_certificate_of_one_run_is_shown_by_the_report_of_its_folder(seeds, tmp_path):
    invoke("certify", tmp_path / "healthy")
    with pytest.raises(RunFolderError, match=rf"of one run: .*`thalweg report {tmp_path / 'healthy'}`"):
        thalweg.report(tmp_path / "healthy" / "certificate.json", tmp_path / "page.html")
    shutil.copy(seeds, tmp_path / "healthy" / "certificate.json")
    page = thalweg.report(tmp_path / "healthy", tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"<code>thalweg report {tmp_path / 'healthy' / 'certificate.json'}</code> shows it" in page


def test_what_cannot_be_chosen_for_a_certificate_is_said(seeds, tmp_path):
    for option in (("--select", "G"), ("--ignore", "G"), ("--loss", "x")):
        with pytest.raises(UsageError, match="no rules or columns to choose"):
            raise invoke("report", *option, seeds).exception
    for options in ({"select": "G"}, {"ignore": ["G"]}):
        with pytest.raises(UsageError, match="of which no rule is asked"):
            thalweg.report(seeds, tmp_path / "page.html", **options)
    with pytest.raises(UsageError, match="would replace it"):
        raise invoke("report", seeds, "-o", seeds).exception
    assert seeds.read_text(encoding="utf-8").startswith('{\n "schema": 1')
