"""What the documentation site has beside docs/*.md: pages made of the package itself while MkDocs builds.

The manual page of each rule is its docstring, its measured rates are the rows of calibration.md that name it,
the first page is the README. Nothing of it is kept in the repository, so nothing of it can be out of date.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import thalweg
from thalweg import RULES, Family, Rule

DOCS = Path(__file__).parent
ROOT = DOCS.parent


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the navigation: the rules by family, the decisions, and pages that it does not name."""
    decisions = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.glob("decisions/*.md"))
    added = {
        "Rules": [
            "rules/index.md",
            *(
                {family.value.capitalize(): [{f"{r.code} {r.title}": page(r)} for r in rules]}
                for family, rules in families()
            ),
        ],
        "Decisions": decisions,
    }
    config.nav = [
        {title: added.get(title, pages) for title, pages in item.items()} if isinstance(item, dict) else item
        for item in config.nav or []
    ]
    named = re.findall(r"[\w/-]+\.md", str(config.nav))
    others = sorted(path.name for path in DOCS.glob("*.md") if path.name not in named)
    config.nav += [*([{"More": others}] if others else []), {"Changes": "changes.md"}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    calibration = (DOCS / "calibration.md").read_text(encoding="utf-8")
    made = {
        "index.md": of_the_root(ROOT / "README.md"),
        "changes.md": of_the_root(ROOT / "CHANGELOG.md"),
        "api.md": api(),
        "rules/index.md": index(),
        **{page(rule): manual(rule, calibration) for rule in RULES},
    }
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def page(rule: Rule) -> str:
    """The path of a rule's page."""
    return f"rules/{rule.code}.md"


def families() -> Iterator[tuple[Family, list[Rule]]]:
    """The families that have rules, the most upstream first, each with its rules."""
    for family in Family:
        rules = [rule for rule in RULES if rule.family is family]
        if rules:
            yield family, rules


def index() -> str:
    """All rules in a table a family."""
    lines = [
        "# Rules",
        "",
        f"{len(RULES)} rules, by what they look at, the most upstream first: what is wrong further up explains "
        "what is wrong below. All are asked after a run; some also before its first step, or while it goes on.",
    ]
    for family, rules in families():
        lines += [
            "",
            f"## {family.value.capitalize()}",
            "",
            "| rule | a concern says | also asked |",
            "|---|---|---|",
        ]
        lines += [
            f"| [{rule.code}]({rule.code}.md) | {rule.title} | {', '.join(moments(rule))} |" for rule in rules
        ]
    return "\n".join(lines) + "\n"


def moments(rule: Rule) -> list[str]:
    """When a rule is asked, other than after a run."""
    return [*(["before the first step"] if rule.before else []), *(["while it goes on"] if rule.live else [])]


def manual(rule: Rule, calibration: str) -> str:
    """The page of a rule: what `thalweg explain` shows, and what was measured."""
    found = "\n\n".join(rates(rule.code, calibration))
    measured = found or "None is in the [table of error rates](../calibration.md) yet."
    return (
        f"# {rule.code}: {rule.title}\n\n"
        f"*What it looks at: {rule.family}. It is asked {' and '.join([*moments(rule), 'after a run'])}.* "
        f"On the command line: `thalweg explain {rule.code}`.\n\n"
        f"{rule.manual()}\n\n## Measured rates\n\n{measured}\n"
    )


def rates(code: str, calibration: str) -> Iterator[str]:
    """What calibration.md says of a rule: tables whose heading names it, else the rows and columns that do."""
    for section in re.split(r"^(?=#{2,} )", calibration, flags=re.MULTILINE):
        title, _, body = section.partition("\n")
        for table in re.findall(r"(?:^\|.*\n?)+", body, flags=re.MULTILINE):
            head, _, *rows = (
                [cell.strip() for cell in line.strip()[1:-1].split("|")] for line in table.splitlines()
            )
            columns = [place for place, cell in enumerate(head) if names(code, cell)]
            if names(code, title):
                columns = []
            elif not columns:
                rows = [row for row in rows if names(code, row[0])]
            if rows:
                kept = [0, *columns] if columns else range(len(head))
                lines = [[row[c] for c in kept if c < len(row)] for row in (head, ["---"] * len(head), *rows)]
                yield "\n".join(
                    [f"{title.lstrip('# ')}:", "", *(f"| {' | '.join(line)} |" for line in lines)]
                )


def names(code: str, text: str) -> bool:
    """Whether a text names a rule as a word of its own."""
    return re.search(rf"\b{code}\b", text) is not None


def api() -> str:
    """The public names, each with what its docstring says."""
    listed = [name for name in thalweg.__all__ if name != "RULES"]
    verbs = [name for name in listed if name[0].islower()]
    nouns = [name for name in listed if not name[0].islower()]
    blocks = [f"::: thalweg.{name}" for name in [*verbs, "Watch", *(n for n in nouns if n != "Watch")]]
    return "\n\n".join(
        ["# The Python interface", "`import thalweg` loads neither Keras nor a backend.", *blocks]
    )


def of_the_root(path: Path) -> str:
    """A page of the repository's first folder, its links as seen from the site; those that lead out are text."""

    def link(match: re.Match[str]) -> str:
        text, target = match.groups()
        inside = target.removeprefix("docs/")
        if target.startswith(("http:", "https:", "#")) or (inside != target and (DOCS / inside).is_file()):
            return f"[{text}]({inside})"
        if target == "CHANGELOG.md":
            return f"[{text}](changes.md)"
        first = next(iter(sorted(ROOT.joinpath(target).glob("*.md"))), None) if inside != target else None
        return f"[{text}]({first.relative_to(DOCS).as_posix()})" if first else text

    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", link, path.read_text(encoding="utf-8"))
