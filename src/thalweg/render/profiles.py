"""Performance profiles for people: on the terminal, and as a page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from thalweg.finding import Diagnosis
from thalweg.profiles import Kind, Profile, Profiles
from thalweg.record import Record
from thalweg.render.bands import WORDS, Axes, Curve, bands
from thalweg.render.charts import charts
from thalweg.render.comparison import table
from thalweg.render.comparison_page import compared_table
from thalweg.render.facts import about_compared
from thalweg.render.figures import figures
from thalweg.render.frame import asset, framed, version
from thalweg.render.lines import Lines
from thalweg.render.markup import Html, html
from thalweg.render.picture import Picture
from thalweg.render.plain import listed, plain
from thalweg.words import figure, noun, percent, plural

_FACTORS = (1.0, 2.0, 4.0, np.inf)
_HEAD = ("", "fastest", "within 2 times", "within 4 times", "target reached")
_ROWS = 100
_TITLES = {
    True: "Each kind at the best rate of each problem",
    False: "Each kind at one rate for all problems",
}


@dataclass(frozen=True, slots=True)
class ProfilesView:
    """Which kind was the fastest on most problems, and how often each came within a factor of the fastest."""

    profiles: Profiles

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = Lines(console, options)
        yield from page.lines(Text(answer(self.profiles), style="bold"))
        for tuned, found in ((True, self.profiles.tuned), (False, self.profiles.untuned)):
            yield Text()
            yield from page.lines(Text(f"{_TITLES[tuned]}:", style="dim"))
            if found:
                yield from table(page, _rows(found), options.max_width)
            else:
                yield from page.lines(Text(_NO_COMMON_RATE))
        yield Text()
        yield from page.lines(Text(_legend(self.profiles), style="dim"))


def answer(profiles: Profiles) -> str:
    """Which kind was the fastest on most problems, in a sentence."""
    most = max(profiles.tuned, key=lambda profile: profile.count(1.0))
    if not most.count(1.0):
        return "No kind of training reached the target of any problem in half of its seeds."
    _, low, high = most.share(1.0)
    others = [p for p in profiles.tuned if p is not most and p.count(1.0) == most.count(1.0)]
    beside = f", as was {listed((called(p.kind) for p in others), 3)}" if others else ""
    return (
        f"Most often the fastest to the target: {called(most.kind)}, on {most.count(1.0)} of "
        f"{plural(len(most.ratios), 'problem')} ({percent(low)} to {percent(high)}){beside}."
    )


def called(kind: Kind) -> str:
    """A kind of training by what is compared: `adam (cosine, batch 32)`."""
    optimizer, schedule, initializer, size = kind
    further = [part for part in (schedule, initializer, size and f"batch {size}") if part]
    return f"{plain(optimizer)} ({', '.join(map(plain, further))})" if further else plain(optimizer)


def _named(profile: Profile) -> str:
    rate = "" if profile.rate is None else f" at {figure(profile.rate)}"
    return f"{called(profile.kind)}{rate}"


_NO_COMMON_RATE = "No learning rate was tried on all problems."


def _rows(found: Sequence[Profile]) -> list[tuple[str, ...]]:
    return [
        _HEAD,
        *((_named(profile), *(_share(profile, factor) for factor in _FACTORS)) for profile in found),
    ]


def _share(profile: Profile, factor: float) -> str:
    _, low, high = profile.share(factor)
    return f"{profile.count(factor)} of {len(profile.ratios)} ({percent(low)} to {percent(high)})"


def _legend(profiles: Profiles) -> str:
    return (
        f"Of {plural(len(profiles.problems), 'problem')} those on which a kind reached the target (in half of its "
        "seeds or more) within a factor of the examples that the fastest needed there; in brackets Clopper and "
        "Pearson's 95 % interval of the share among all problems of this sort. The one rate is that with which a "
        "kind reached most of these targets."
    )


def profiles_page(profiles: Profiles) -> str:
    """The report of several problems as one HTML document."""
    order = {profile.kind: place for place, profile in enumerate(profiles.tuned)}
    untuned = sorted(
        profiles.untuned, key=lambda profile: order[profile.kind]
    )  # a kind has one colour on the page
    drawn = [
        picture
        for title, found in zip(_TITLES.values(), (profiles.tuned, untuned), strict=True)
        if (picture := profile_picture(title, found))
    ]
    first = next(iter(profiles.problems.values()))
    record = first.members[0].record
    solved = any(profile.reached for profile in profiles.tuned)
    return framed(
        charts(Record.of([]), Diagnosis("", ())).payload(),
        drawn,
        name=plural(len(profiles.problems), "problem"),
        skip="tables",
        links=html('<a href="#profiles">Profiles</a> <a href="#problems">Problems</a>'),
        question="Which training is fast on most problems?",
        verdict="satisfactory" if solved else "concern",
        answer=answer(profiles),
        below=None,
        counts=_counts(profiles),
        facts=about_compared({"Problems": listed(profiles.problems, 8)}, Record.of([])),
        main=html(
            asset("profiles.html"),
            curves=figures(drawn) or html('<p class="none">No target was reached.</p>'),
            tables=[
                html(
                    "<h3>{title}</h3>{table}",
                    title=_TITLES[tuned],
                    table=compared_table(_TITLES[tuned], _HEAD, _rows(found)[1:], _ROWS)
                    if found
                    else html('<p class="none">{why}</p>', why=_NO_COMMON_RATE),
                )
                for tuned, found in ((True, profiles.tuned), (False, profiles.untuned))
            ],
            legend=_legend(profiles),
            problems=_problems(profiles),
        ),
        version=version(record),
    )


def profile_picture(title: str, found: Sequence[Profile]) -> Picture | None:
    """The shares of problems over the factor; None where no target was reached."""
    finite = sorted({float(r) for profile in found for r in profile.ratios if np.isfinite(r)})
    if not finite:
        return None
    factors = np.array(sorted({1.0, *finite, max(finite[-1], 2.0)}))
    curves = []
    for profile in found:
        shares = np.array([profile.share(float(factor)) for factor in factors])
        curves.append(Curve(_named(profile), factors, shares[:, 0], shares[:, 1], shares[:, 2]))
    reached = (f"{_named(profile)}: {profile.reached} of {len(profile.ratios)}" for profile in found)
    return bands(
        title,
        curves,
        Axes("times the examples that the fastest needed", "share of problems", base=2, step=True),
        words=[f"Problems whose target was reached, {listed(reached, WORDS)}."],
        how="How often a kind of training came within a factor of the fastest: at 1 how often it was the fastest "
        "itself, at the right how often it came at all. The tables have Clopper and Pearson's 95 % intervals.",
    )


def _counts(profiles: Profiles) -> list[Html]:
    kinds, problems = len(profiles.tuned), len(profiles.problems)
    trainings = sum(len(found) for found in profiles.problems.values())
    return [
        html("<li><b>{count}</b> {what}</li>", count=f"{count:,}", what=noun(count, what))
        for count, what in ((problems, "problem"), (kinds, "kind"), (trainings, "training"))
    ]


def _problems(profiles: Profiles) -> Html:
    """What each kind needed on each problem."""
    head = ("", *(_named(profile) for profile in profiles.tuned))
    rows = [
        (plain(name), *(_cost(profile.costs[place]) for profile in profiles.tuned))
        for place, name in enumerate(profiles.problems)
    ]
    return compared_table("Examples until the target of each problem", head, rows, _ROWS)


def _cost(cost: float) -> str:
    return f"{cost:,.0f}" if np.isfinite(cost) else "never"
