"""Import a case table into a workspace: photos, people and diagnoses, each face encoded on the way.

Good rows are imported one after the other, every problem is named with its place. A process that is killed leaves whole
rows; the same import run again adds what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deciface.cases import Photo
from deciface.errors import InputError, MismatchError, NothingFoundError
from deciface.faces import Verdict
from deciface.formats.case_cells import CaseRow
from deciface.formats.cases_csv import CasesTable, read_cases
from deciface.models import ModelStore
from deciface.store import Added, Workspace
from deciface.workflows.encoding import DEFAULT_ENSEMBLE, EncodedPhoto, iter_encoded
from deciface.workflows.encoding import Problem as EncodingProblem


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Parameters
    ----------
    photos, already_there
        How many were added, and how many were in the workspace before.
    patients
        How many people the table names.
    encodings
        How many vectors were added.
    notes
        Photos that were imported and should be looked at: poor quality, several faces. One line each.
    problems
        Rows that were not imported, one line each.
    """

    photos: int
    already_there: int
    patients: int
    encodings: int
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def photo_of(row: CaseRow, *, photo_id: str, sha256: str) -> Photo:
    """Make the record of a photo from its row."""
    return Photo(
        id=photo_id,
        patient=row.patient,
        sha256=sha256,
        age_years=row.age_years,
        diagnoses=row.diagnoses,
        unaffected=row.unaffected,
        phenotypes=row.phenotypes,
    )


def import_table(
    path: Path,
    workspace: Workspace,
    *,
    store: ModelStore,
    ensemble: str = DEFAULT_ENSEMBLE,
    table: CasesTable | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Imported:
    """Import the photos of a case table and encode them.

    Parameters
    ----------
    path
        The table; photo paths are relative to its folder.
    workspace
        Where everything goes.
    store, ensemble
        Models.
    table
        What was read of it already, perhaps with fewer rows; read here when left out.
    advance
        Called after every photo.

    Raises
    ------
    TableError
        When the table cannot be read at all.
    NothingFoundError
        When it has no usable row.
    InputError
        When no photo could be imported; the message holds the first problem.
    """
    table = table or read_cases(path)
    problems = [str(p) for p in table.problems]
    if not table.rows:
        raise NothingFoundError(f"'{path.name}' has no row that can be imported{_first(problems)}")
    files = [row.photo_path for _, row in table.rows]
    names = [_photo_id(file, path.parent) for file in files]
    encoded = iter_encoded(files, store=store, ensemble=ensemble, names=names, keep_png=True)
    added = known = vectors = 0
    notes: list[str] = []
    for (number, row), photo in zip(table.rows, encoded, strict=True):
        advance()
        where = f"{path.name}, row {number}"
        if isinstance(photo, EncodingProblem):
            problems.append(f"{where}: {photo.message}")
            continue
        try:
            state, count = _add(workspace, photo, row)
        except (InputError, MismatchError) as error:
            problems.append(f"{where}: {error}")
            continue
        added, known, vectors = added + (state is Added.ADDED), known + (state is not Added.ADDED), vectors + count
        notes += [f"{where}: '{photo.name}': {said}" for said in _to_look_at(photo)]
    if added + known == 0:
        raise InputError(f"none of the {len(table.rows)} rows of '{path.name}' could be imported{_first(problems)}")
    people = len({row.patient.id for _, row in table.rows})
    return Imported(added, known, people, vectors, tuple(notes), tuple(problems))


def _first(problems: Sequence[str]) -> str:
    return f"; the first problem: {problems[0]}" if problems else ""


def _photo_id(path: Path, folder: Path) -> str:
    resolved, root = path.resolve(), folder.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else path.name


def _to_look_at(photo: EncodedPhoto) -> Iterator[str]:
    if photo.quality == Verdict.RETAKE:
        yield "quality: retake (deciface photo check says why)"
    yield from (remark for remark in photo.remarks if "faces found" in remark)


def _add(workspace: Workspace, photo: EncodedPhoto, row: CaseRow) -> tuple[Added, int]:
    record = photo_of(row, photo_id=photo.name, sha256=photo.pixel_sha256)
    state = workspace.add_photo(record, photo.png or b"")
    return state, workspace.add_encodings(photo.encodings)
