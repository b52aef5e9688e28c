"""One sentence from the findings: is it converging?"""

from collections.abc import Iterable

from thalweg.finding import Finding, Verdict
from thalweg.rules.causes import causes, upstream
from thalweg.words import plural

# The truth table; the first row that matches gives the answer. C: concern, S: satisfactory, blank: anything.
#
# V: a concern about the validation loss alone, which says nothing about the training.
# F: a concern of B002, where L004 has none.
#
# | N001 | L002 | L001 | L003 | B001 | V001 | L004 | answer                                         |
# |------|------|------|------|------|------|------|------------------------------------------------|
# |  C   |      |      |      |      |      |      | Not converging: ...                            |
# |      |  C   |      |      |      |      |      | Diverged: ...                                  |
# |      |      |  C   |      |      |      |      | Not converging: ...                            |
# |      |      |      |  C   |      |      |      | Not converging: ...                            |
# |      |      |      |      |  C   |      |      | Not converging to anything useful: ...         |
# |      |      |  S   |      |  V   |      |      | Converging on the training data only: ...      |
# |      |      |  S   |      |      |  C   |      | Converging on the training data only: ...      |
# |      |      |  S   |      |  F   |      |      | Converging to less than a linear model: ...    |
# |      |      |  S   |      |      |      |  C   | Converging, and still falling when it stopped. |
# |      |      |  S   |      |      |      |  S   | Converging: ..., and ...                       |
# |      |      |  S   |      |      |      |      | Converging: ...                                |
# |      |      |      |      |      |      |      | Cannot tell: ...                               |
#
# What L004 found where it is satisfied (levelled off, or rising) is said in its own words. A validation loss
# that is not finite (N001, V) is named as another concern.

_NOT = (
    ("N001", "Not converging"),
    ("L002", "Diverged"),
    ("L001", "Not converging"),
    ("L003", "Not converging"),
    ("B001", "Not converging to anything useful"),
)


def answer(findings: Iterable[Finding]) -> str:
    """The answer in one sentence to *is it converging?*, saying no more than the findings carry.

    Converging needs the satisfactory word of L001 (loss not decreasing): no concern is not yet an answer. A
    concern that says nothing about convergence (dead units, say) is named after the answer.
    """
    found = {f.code: f for f in findings}

    def is_(code: str, verdict: Verdict) -> bool:
        return code in found and found[code].verdict is verdict

    for code, words in _NOT:
        if is_(code, Verdict.CONCERN) and found[code].series[:1] != ("validation_loss",):
            return f"{words}: {_clause(found[code])}."
    if not is_("L001", Verdict.SATISFACTORY):
        return _cannot_tell(found)
    for code in ("B001", "V001"):
        if is_(code, Verdict.CONCERN):
            return f"Converging on the training data only: {_clause(found[code])}."
    if is_("B002", Verdict.CONCERN) and not is_("L004", Verdict.CONCERN):
        return f"Converging to less than a linear model: {_clause(found['B002'])}."
    told = {"L004"}
    if is_("L004", Verdict.CONCERN):
        sentence = "Converging, and still falling when training stopped"
    elif is_("L004", Verdict.SATISFACTORY):
        sentence = f"Converging: {_clause(found['L001'])}, and {_clause(found['L004'])}"
    else:
        sentence = f"Converging: {_clause(found['L001'])}"
    others = [f for f in _first_to_read(found.values()) if f.code not in told]
    near = "B001" in found and "low" in found["B001"].evidence
    # A loss that fell to the level of a constant prediction has not shown that anything was learned.
    others += [found["B001"]] if is_("B001", Verdict.UNASSESSED) and near else []
    return f"{sentence}; but {_symptom(others[0])}." if others else f"{sentence}."


def answer_before(findings: Iterable[Finding]) -> str:
    """The answer in one sentence to *what speaks against this training?*, before it made a step."""
    found = list(findings)
    asked = sum(f.verdict is not Verdict.UNASSESSED for f in found)
    concerns = _first_to_read(found)
    if not asked:
        return "Cannot tell: nothing could be checked before the first step."
    if not concerns:
        return f"Nothing speaks against this training before its first step: {plural(asked, 'check')} passed."
    return f"{plural(len(concerns), 'concern')} before the first step: {_clause(concerns[0])}."


def _cannot_tell(found: dict[str, Finding]) -> str:
    concern = next(iter(_first_to_read(found.values())), None)
    reason = _clause(found["L001"]) if "L001" in found else "L001, whether the loss fell, was not asked"
    return f"Cannot tell: {reason}; but {_symptom(concern)}." if concern else f"Cannot tell: {reason}."


def _first_to_read(findings: Iterable[Finding]) -> list[Finding]:
    """The concerns, those that no other explains first, the most upstream of them before the others."""
    concerns = [f for f in findings if f.verdict is Verdict.CONCERN]
    because = causes(concerns)
    return sorted(concerns, key=lambda f: (f.code in because, upstream(f)))


def _symptom(finding: Finding) -> str:
    """What a finding saw, without the harm that came with it."""
    return _clause(finding).split("; ", 1)[0]


def _clause(finding: Finding) -> str:
    """The first sentence of a finding as a clause that follows a colon."""
    message = finding.message.removeprefix("Not assessed: ")
    sentence = message.split(". ", 1)[0].removesuffix(".")
    return sentence[:1].lower() + sentence[1:]
