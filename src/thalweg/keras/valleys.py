"""Whether the seeds of a configuration ended in one valley: their models, as a study keeps them."""

from collections.abc import Sequence

from thalweg.certificate import Certificate
from thalweg.certifying import study_certificate_of
from thalweg.comparison import Member
from thalweg.errors import ThalwegError
from thalweg.keras.examine import examine_runs
from thalweg.store.formats import read
from thalweg.store.studies import run_folder
from thalweg.study import Study
from thalweg.study_examination import StudyExamination

PRODUCTS = 100
"""Passes over the kept examples for each seed."""


def valleys(members: Sequence[Member]) -> tuple[StudyExamination, Certificate | None]:
    """What was measured of these seeds' models, in their order, and what may be claimed of it.

    What could not be measured stands in the examination's `missing`.
    """
    try:
        folders = [run_folder(one.folder.parent, int(one.folder.name)) for one in members if one.folder]
        study = Study(tuple(map(str, folders)), tuple(read(folder) for folder in folders))
        lacking = [
            name for name, record in study if not isinstance(record.info.get("kept", {}).get("model"), dict)
        ]
        if lacking:
            return StudyExamination(missing={"model": f"no model was kept of {lacking[0]}"}), None
        examination = examine_runs(study, folders, PRODUCTS)
    except ThalwegError as error:
        return StudyExamination(missing={"model": str(error).removesuffix(".")}), None
    return examination, study_certificate_of(study, examination)
