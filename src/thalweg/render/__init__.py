"""Findings for people: the terminal and the HTML page. No arithmetic of judgement, no thresholds.

What a number means was decided by a rule; here it is only said or drawn.
"""

from thalweg.render.certificate import CertificateView
from thalweg.render.comparison import ComparisonView
from thalweg.render.comparison_page import comparison_page, comparison_table
from thalweg.render.page import page
from thalweg.render.profiles import ProfilesView, profiles_page
from thalweg.render.rate_suggestion import RateSuggestionView
from thalweg.render.study import study_page
from thalweg.render.terminal import ConcernsView, DiagnosisView, RunRow, RunsTable, finding_line, terminal

__all__ = [
    "CertificateView",
    "ComparisonView",
    "ConcernsView",
    "DiagnosisView",
    "ProfilesView",
    "RateSuggestionView",
    "RunRow",
    "RunsTable",
    "comparison_page",
    "comparison_table",
    "finding_line",
    "page",
    "profiles_page",
    "study_page",
    "terminal",
]
