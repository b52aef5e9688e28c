"""`thalweg` itself: its help, its version and its commands."""

import click

import thalweg as package
from thalweg.cli.certify import certify
from thalweg.cli.check import check
from thalweg.cli.compare import compare
from thalweg.cli.diagnose import diagnose
from thalweg.cli.explain import explain
from thalweg.cli.list import list_runs
from thalweg.cli.lr_find import lr_find
from thalweg.cli.report import report
from thalweg.cli.run import run
from thalweg.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package.__version__, prog_name="thalweg", message="%(prog)s %(version)s")
def thalweg() -> None:
    """Are my network's parameters converging, why not, and what should I change?

    \b
    Examples:
      thalweg run train.py --epochs 20    watch a Keras script, unchanged
      thalweg check train.py              what speaks against it, before it trains
      thalweg compare train.py            which optimizer and learning rate suit it best
      thalweg lr-find train.py            which learning rate suits it
      thalweg list                        the runs so far
      thalweg diagnose runs/train         what is wrong, and what to do about it
      thalweg diagnose history.csv        the same of a log that another tool wrote
      thalweg certify runs/train          what may be claimed about where it ended
      thalweg verify runs/train           whether that comes out the same again
      thalweg report runs/train           the findings and the curves as one HTML page
      thalweg explain G002                the manual page of a rule

    \b
    Exit codes of `diagnose`:
      0 satisfactory, 1 concern, 2 usage or unreadable, 3 nothing could be assessed
    """


for command in (run, check, compare, lr_find, diagnose, certify, verify, report, explain, list_runs):
    thalweg.add_command(command)
