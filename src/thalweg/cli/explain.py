"""`thalweg explain`: the manual pages of the rules."""

import sys

import click

from thalweg.cli.output import say, show
from thalweg.errors import UsageError, nearest
from thalweg.finding import Family
from thalweg.plugins import installed
from thalweg.rule import Rule


@click.command(short_help="Show the manual page of a rule, or list all rules.")
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Show the manual page of the rule CODE; without CODE, list all rules by what they look at.

    \b
    Examples:
      thalweg explain
      thalweg explain G002
    """
    known = installed()
    say(known.notes)
    if code is None:
        click.echo("\n\n".join(_table(known.rules)))
        return
    rule = _rule(code, known.rules)
    if sys.stdout.isatty():
        from rich.markdown import Markdown

        show(Markdown(f"# {rule.code}: {rule.title}\n\n{rule.manual()}"))
    else:
        click.echo(f"{rule.code}: {rule.title}\n\n{rule.manual()}")


def _table(rules: tuple[Rule, ...]) -> list[str]:
    """A paragraph a family, the most upstream first."""
    width = max(len(rule.code) for rule in rules)
    paragraphs = []
    for family in Family:
        lines = [f"  {rule.code:<{width}}  {rule.title}" for rule in rules if rule.family is family]
        if lines:
            paragraphs.append("\n".join([family.value.capitalize(), *lines]))
    return paragraphs


def _rule(code: str, known: tuple[Rule, ...]) -> Rule:
    rules = {rule.code: rule for rule in known}
    wanted = code.strip().upper()
    if wanted in rules:
        return rules[wanted]
    raise UsageError(f"there is no rule {code!r}{nearest(wanted, rules) or ': `thalweg explain` lists all'}")
