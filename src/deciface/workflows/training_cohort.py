"""Which photos a cohort gives to a training: of a case table or of a workspace, as far as consents allow it."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deciface.cases import Case, Photo
from deciface.consent import Action, Actor, RecordFacts, Role, may
from deciface.errors import InputError, NothingFoundError
from deciface.formats.case_cells import CasesTable
from deciface.formats.case_table import read_table
from deciface.store import Workspace
from deciface.store.opening import DATABASE
from deciface.store.settings import FILE

Asked = list[tuple[Photo, Path | bytes]]
_READER_OF_TABLES = Actor("reader of a case table", frozenset({Role.VIEWER}))


@dataclass(frozen=True, slots=True)
class Withheld:
    """Who is not used, because their consents do not allow the reference gallery."""

    people: int = 0
    photos: int = 0

    def __str__(self) -> str:
        """E.g. ``19 photos of 10 people not used: ...``; empty where nobody is withheld."""
        if not self.photos:
            return ""
        photos = "1 photo" if self.photos == 1 else f"{self.photos} photos"
        people = "1 person" if self.people == 1 else f"{self.people} people"
        return f"{photos} of {people} not used: their consents do not allow the reference gallery"


NOBODY = Withheld()


@dataclass(frozen=True)
class CohortPhotos:
    """Photos of a cohort before anybody has looked at them.

    Parameters
    ----------
    asked
        Each with its file or its bytes.
    source
        What the cohort is called.
    withheld
        Who is not used for want of consent.
    dropped_rows
        Rows of a table that could not be read, one line each.
    """

    asked: Asked
    source: str
    withheld: Withheld = NOBODY
    dropped_rows: tuple[str, ...] = ()

    @property
    def photos(self) -> tuple[Photo, ...]:
        """What is known of each."""
        return tuple(photo for photo, _ in self.asked)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know before it begins, one line each."""
        withheld = (str(self.withheld),) if self.withheld.photos else ()
        if not self.dropped_rows:
            return withheld
        rows = "1 row" if len(self.dropped_rows) == 1 else f"{len(self.dropped_rows)} rows"
        return (*withheld, f"{rows} of the table not used, the first: {self.dropped_rows[0]}")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the files and of what is known of each: equal digests give equal training photos."""
        sha = hashlib.sha256()
        for photo, source in self.asked:
            who = photo.patient
            diagnoses = [(d.disorder.id, str(d.status), tuple(d.genes)) for d in photo.diagnoses]
            facts = (photo.id, who.id, who.family, who.ancestry_label, who.simulated, photo.unaffected, diagnoses)
            sha.update(repr((facts, _hash_of(source))).encode())
        return sha.hexdigest()


def read_cohort(cohort: Path, *, on: dt.date) -> CohortPhotos:
    """Read which photos a cohort has; no face is looked for.

    Of a workspace, and of a table that states consents, only photos are taken whose consents allow the reference
    gallery; simulated people need none.

    Parameters
    ----------
    cohort
        A workspace (also one in which a case table lies), a folder with ``cases.csv`` or ``cases.xlsx``, or a case
        table (CSV or XLSX).
    on
        The day: consents are signed and withdrawn by date.

    Raises
    ------
    InputError, TableError, StorageError
        The cohort cannot be read.
    NothingFoundError
        It has no photo that may be used.
    """
    if is_workspace(cohort):
        found = _of_workspace(cohort)
    else:
        table = next((t for t in (cohort / "cases.csv", cohort / "cases.xlsx") if t.is_file()), cohort)
        if not table.exists():
            raise InputError(f"'{cohort}' does not exist; give a case table, a folder with cases.csv, or a workspace")
        if not table.is_file():
            raise InputError(
                f"'{cohort}' has no cases.csv or cases.xlsx and is not a workspace (no {FILE}, no {DATABASE}); give a "
                "folder with cases.csv, or a workspace made by: deciface init"
            )
        found = _of_table(read_table(table), cohort.name, on=on)
    if not found.asked:
        why = f" ({'; '.join(found.remarks)})" if found.remarks else ""
        raise NothingFoundError(f"'{cohort}' has no photo to train on{why}; give a case table with a column 'photo'")
    return found


def is_workspace(cohort: Path) -> bool:
    """Whether a cohort is a workspace and not a case table or its folder."""
    return cohort.is_dir() and any((cohort / name).is_file() for name in (FILE, DATABASE))


def _of_workspace(cohort: Path) -> CohortPhotos:
    with Workspace.open(cohort) as workspace:
        known = [photo for photo in workspace.photos() if workspace.has_image(photo.id)]
        allowed = workspace.decisions(Action.COMPARE, {photo.patient.id for photo in known})
        used = [photo for photo in known if allowed.get(photo.patient.id)]
        withheld = [photo.patient.id for photo in known if not allowed.get(photo.patient.id)]
        asked: Asked = [(photo, workspace.image_bytes(photo.id)) for photo in used]
    return CohortPhotos(asked, cohort.name, Withheld(len(set(withheld)), len(withheld)))


def _of_table(table: CasesTable, source: str, *, on: dt.date) -> CohortPhotos:
    states = any(case.consents for _, case in table.cases) or any(
        problem.column.startswith("consent") for problem in table.problems
    )
    asked: Asked = []
    withheld: list[str] = []
    for _, case in table.cases:
        for photo in case.photos:
            if (file := table.photo_files.get(photo.id)) is None:
                continue
            if states and not _agreed(case, on=on):
                withheld.append(case.patient.id)
            else:
                asked.append((photo, file if isinstance(file, Path) else file()))
    dropped = tuple(str(problem) for problem in table.problems if problem.message.startswith("row dropped"))
    return CohortPhotos(asked, source, Withheld(len(set(withheld)), len(withheld)), dropped)


def _agreed(case: Case, *, on: dt.date) -> bool:
    """Whether a case of a table that states consents may be in a reference gallery: the rule of workspaces."""
    facts = RecordFacts(simulated=case.patient.simulated, consents=case.consents)
    return bool(may(_READER_OF_TABLES, Action.COMPARE, facts, on=on))


def _hash_of(source: Path | bytes) -> str:
    """Of a file's bytes; empty for one that cannot be read, which is told when its face is looked for."""
    try:
        return hashlib.sha256(source if isinstance(source, bytes) else source.read_bytes()).hexdigest()
    except OSError:
        return ""
