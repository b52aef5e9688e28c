"""`thalweg explain`: the manual pages of the rules."""

import difflib
import sys

import click

from thalweg.cli.output import show
from thalweg.errors import UsageError
from thalweg.rule import Rule
from thalweg.rules import RULES


@click.command(short_help="Show the manual page of a rule, or list all rules.")
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Show the manual page of the rule CODE; without CODE, list all rules.

    \b
    Examples:
      thalweg explain
      thalweg explain G002
    """
    if code is None:
        for each in RULES:
            click.echo(f"{each.code}  {each.title}")
        return
    rule = _rule(code)
    if sys.stdout.isatty():
        from rich.markdown import Markdown

        show(Markdown(f"# {rule.code}: {rule.title}\n\n{rule.manual()}"))
    else:
        click.echo(f"{rule.code}: {rule.title}\n\n{rule.manual()}")


def _rule(code: str) -> Rule:
    rules = {rule.code: rule for rule in RULES}
    wanted = code.strip().upper()
    if wanted in rules:
        return rules[wanted]
    near = difflib.get_close_matches(wanted, rules, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`thalweg explain` lists all"
    raise UsageError(f"there is no rule {code!r}: {hint}")
