"""Findings for people: the terminal and the HTML page. No arithmetic of judgement, no thresholds.

What a number means was decided by a rule; here it is only said or drawn.
"""

from thalweg.render.certificate import CertificateView
from thalweg.render.comparison import ComparisonView
from thalweg.render.page import page
from thalweg.render.study import study_page
from thalweg.render.terminal import ConcernsView, DiagnosisView, RunRow, RunsTable, finding_line, terminal

__all__ = [
    "CertificateView",
    "ComparisonView",
    "ConcernsView",
    "DiagnosisView",
    "RunRow",
    "RunsTable",
    "finding_line",
    "page",
    "study_page",
    "terminal",
]
