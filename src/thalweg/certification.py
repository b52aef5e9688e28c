"""`thalweg.certify` and `thalweg.verify`: what may be claimed about where the parameters ended up."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.certificate import Certificate
from thalweg.certifying import (
    Verification,
    certificate_of,
    differences,
    retold,
    study_certificate_of,
)
from thalweg.comparison import Member
from thalweg.errors import UnsupportedError, UsageError
from thalweg.examination import Examination, Progress
from thalweg.record import Record
from thalweg.store import read
from thalweg.store.certificates import read_certificate, write_certificate
from thalweg.store.layout import JOURNAL
from thalweg.store.studies import member_in, run_folder
from thalweg.study import Study, names_in
from thalweg.study_examination import StudyExamination

if TYPE_CHECKING:
    from thalweg.keras.kept import Subject

PRODUCTS = 100
"""Passes over the examples, gradients and Hessian-vector products alike, unless asked otherwise."""


def certify(
    source: Any,
    *others: Any,
    model: Any = None,
    data: Any = None,
    validation_data: Any = None,
    products: int = PRODUCTS,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Certificate:
    """What may be claimed about where a run's parameters ended up; each claim with evidence, assumptions, scope.

    `source` is a run folder, a `Watch`, a record, a member of a study, or a log that `thalweg.read` understands.
    Claims about the model are made of the model and the sample of its examples that were kept in the run's folder;
    `model` is another to look at (its weights as they are, its compiled loss), and `data` and `validation_data` are
    (inputs, targets) or (inputs, targets, sample weights) to look at instead. `products` bounds the work. `output`
    is a file to write the certificate to, with the measurements behind it: `certificate.json` in the run's folder is
    what `verify` and `report` look for.

    With `others`, run folders of the same training with other seeds, the claims are about all of them: whether they
    agree, whether they lie in one valley, whether something lower lies near.

    What could not be looked at is a claim *not established* that says why: no log, model or data is too poor for it.

    Raises `UsageError` for arguments that cannot be, `RunFolderError` where the source cannot be read or the output
    cannot be written.
    """
    certificate: Certificate
    found: Examination | StudyExamination
    if others:
        if not (model is None and data is None and validation_data is None):
            raise UsageError("model and data are of one run: certify it alone, or give folders alone")
        certificate, found = study_examined((source, *others), products=products, progress=progress)
    else:
        certificate, found = examined(
            source,
            model=model,
            data=data,
            validation_data=validation_data,
            products=products,
            progress=progress,
        )
    if output is not None:
        write_certificate(output, certificate, found)
    return certificate


def examined(
    source: Any,
    *,
    model: Any = None,
    data: Any = None,
    validation_data: Any = None,
    products: int = PRODUCTS,
    progress: Progress | None = None,
) -> tuple[Certificate, Examination]:
    """`certify` of one run, and the measurements behind it."""
    import thalweg

    _check(products)
    record, folder = _run(source)
    batches = _batch(data, "data"), _batch(validation_data, "validation_data")
    examination = _examination(record, folder, model, batches, products, progress)
    return certificate_of(record, examination, version=thalweg.__version__), examination


def study_examined(
    sources: Sequence[Any], *, products: int = PRODUCTS, progress: Progress | None = None
) -> tuple[Certificate, StudyExamination]:
    """`certify` of several runs, and the measurements behind it; so many passes over the examples for each run."""
    import thalweg

    _check(products)
    runs = [_run(source) for source in sources]
    names = [
        str(folder or record.info.get("name") or place) for place, (record, folder) in enumerate(runs, 1)
    ]
    study = Study(tuple(names), tuple(record for record, _ in runs))
    examination = _study_examination(study, [folder for _, folder in runs], products, progress)
    return study_certificate_of(study, examination, version=thalweg.__version__), examination


def verify(
    source: str | os.PathLike[str],
    run: Any = None,
    *,
    model: Any = None,
    data: Any = None,
    validation_data: Any = None,
    progress: Progress | None = None,
) -> Verification:
    """Whether a stored certificate comes out the same: its claims made anew, from the record and from the model.

    `source` is the run's folder, in which `thalweg certify` left `certificate.json`, or such a file; of one that lies
    elsewhere `run` is what `certify` was given. The claims are first made anew from the record and the stored
    measurements, then from measurements taken anew with the same seed: of what the run keeps, or of the `model` and
    the data that were given to `certify`.

    Raises `UsageError` for arguments that cannot be, `RunFolderError` where there is no certificate, or its run
    cannot be read.
    """
    stored, examination = read_certificate(source)
    if isinstance(examination, StudyExamination):
        if not (run is None and model is None and data is None and validation_data is None):
            raise UsageError("a certificate of several runs names them: give the file alone")
        names = names_in(stored.subject)
        study = Study(names, tuple(read(name) for name in names))
        made = study_certificate_of(study, examination)
        measured = examination.evaluations > 0

        def again() -> Certificate:
            folders = [Path(name) for name in names]
            return study_certificate_of(
                study, _study_examination(study, folders, examination.asked, progress)
            )
    else:
        record, folder = _run(_run_of(source) if run is None else run)
        batches = _batch(data, "data"), _batch(validation_data, "validation_data")
        made, measured = certificate_of(record, examination), examination.parameters > 0

        def again() -> Certificate:
            allowed = examination.asked
            return certificate_of(record, _examination(record, folder, model, batches, allowed, progress))

    found = (*differences(stored, made), *retold(stored, made))
    if measured:
        found = (*found, *differences(stored, again()))
    return Verification(stored, tuple(dict.fromkeys(found)), measured)


def _run_of(certificate: str | os.PathLike[str]) -> Path:
    path = Path(certificate)
    if path.is_dir():
        return path
    if not (path.parent / JOURNAL).is_file():
        raise UsageError(
            f"{str(path)!r} lies beside no run: name the run as well, as in `thalweg verify FILE RUN`"
        )
    return path.parent


def _check(products: Any) -> None:
    if isinstance(products, bool) or not isinstance(products, int) or products < 0:
        raise UsageError(
            f"products must be a number of passes over the examples, 0 or more; got {products!r}"
        )


def _run(source: Any) -> tuple[Record, Path | None]:
    if isinstance(source, Record):
        return source, None
    if isinstance(source, Member):
        if source.folder is None:
            return source.record, None
        source = source.folder
    folder = getattr(source, "folder", None) if hasattr(source, "record") else source
    if folder is None:
        raise UsageError(
            "Nothing has been watched yet: pass the callback to model.fit(..., callbacks=[watch])."
        )
    if not isinstance(folder, str | os.PathLike):
        raise UsageError(
            f"source must be a run folder, a log, a Watch or a Record; got {type(source).__name__}"
        )
    path = Path(folder)
    if member := member_in(path):
        path = run_folder(*member)
    return read(path), path if path.is_dir() else None


def _batch(data: Any, name: str) -> tuple[Any, Any, Any] | None:
    if data is None:
        return None
    if not isinstance(data, list | tuple) or len(data) not in (2, 3):
        raise UsageError(
            f"{name} must be (inputs, targets) or (inputs, targets, sample weights) as arrays; "
            f"got {type(data).__name__}" + (f" of {len(data)}" if isinstance(data, list | tuple) else "")
        )
    inputs, targets, *weights = data
    return inputs, targets, weights[0] if weights else None


def _examination(
    record: Record,
    folder: Path | None,
    model: Any,
    batches: tuple[Any, Any],
    products: int,
    progress: Progress | None,
) -> Examination:
    kept = record.info.get("kept")
    kept = kept if isinstance(kept, Mapping) else {}
    if products == 0:
        return Examination(missing={"model": "no products were allowed"})
    if model is None and (folder is None or not kept):
        why = (
            "this run keeps no model: watch it without keep=False"
            if folder
            else "a record alone holds no model"
        )
        if record.info.get("source") != "thalweg":
            why = "a log holds no model"
        return Examination(
            missing={"model": f"{why}; or give it, as in thalweg.certify(..., model=model, data=(x, y))"}
        )
    backend = record.info.get("backend")
    if isinstance(backend, str):
        os.environ.setdefault("KERAS_BACKEND", backend)  # no effect where Keras is there already
    try:
        from thalweg.keras.examine import examine, subject_of
    except ImportError as error:
        return Examination(missing={"model": f"Keras or its backend could not be loaded ({error})"})
    try:
        subject: Subject = subject_of(folder, kept, model, *batches)
        return examine(subject, record, products=products, progress=progress)
    except UnsupportedError as error:
        return Examination(missing={"model": str(error).removesuffix(".")})


def _study_examination(
    study: Study, folders: Sequence[Path | None], products: int, progress: Progress | None
) -> StudyExamination:
    kept = [record.info.get("kept") for _, record in study]
    lacking = [
        name
        for name, folder, has in zip(study.names, folders, kept, strict=True)
        if folder is None or not has
    ]
    if products == 0 or lacking:
        why = f"no model was kept of {lacking[0]}" if lacking else "no products were allowed"
        return StudyExamination(missing={"model": why})
    os.environ.setdefault("KERAS_BACKEND", str(study.records[0].info.get("backend")))
    try:
        from thalweg.keras.examine import examine_runs
    except ImportError as error:
        return StudyExamination(missing={"model": f"Keras or its backend could not be loaded ({error})"})
    try:
        there = [folder for folder in folders if folder is not None]
        return examine_runs(study, there, products, progress=progress)
    except UnsupportedError as error:
        return StudyExamination(missing={"model": str(error).removesuffix(".")})
