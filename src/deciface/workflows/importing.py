"""Import cases from any format into a workspace: people and what is known of them; photos are encoded on the way.

Good cases are imported one after the other, every problem is named with its place. A process that is killed leaves
whole cases; the same import run again adds what is missing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from deciface.cases import NOT_STATED, Case, Consent, Phenotype, Photo, TermState
from deciface.errors import DeciFaceError, InputError, MismatchError, NothingFoundError
from deciface.faces import Verdict
from deciface.formats.case_cells import CaseRow, CasesTable
from deciface.formats.case_table import read_table
from deciface.formats.encodings import iter_encodings
from deciface.formats.exchange import PhotoFile, ReadCases
from deciface.models import ModelStore
from deciface.ontology import HpoTerms
from deciface.store import Added, Workspace
from deciface.workflows.encoding import DEFAULT_ENSEMBLE, EncodedPhoto, iter_encoded
from deciface.workflows.encoding import Problem as EncodingProblem

BATCH = 200
"""Cases without image files are stored so many at a time."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Parameters
    ----------
    cases, cases_there
        How many people were added or got new photos, and how many were in the workspace as they stand.
    changed
        How many stored cases were given other facts.
    photos, already_there
        How many photos were added, and how many were in the workspace before.
    patients
        How many people the source names.
    encodings
        How many vectors were added.
    notes
        Photos that were imported and should be looked at, features found by name. One line each.
    problems
        What was not taken as it stands, one line each.
    """

    cases: int
    cases_there: int
    changed: int
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
    """Import a case table; see `import_cases`. `table` is what was read of it already, perhaps with fewer cases."""
    table = table or read_table(path)
    source = ReadCases(table.cases, table.problems, table.photo_files)
    return import_cases(source, workspace, name=path.name, store=store, ensemble=ensemble, advance=advance)


def import_cases(
    source: ReadCases,
    workspace: Workspace,
    *,
    name: str,
    store: ModelStore,
    origin: str = "csv",
    ensemble: str = DEFAULT_ENSEMBLE,
    attested: Sequence[Consent] = (),
    terms: HpoTerms | None = None,
    update: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> Imported:
    """Import cases; their photos are decoded, encoded, and kept as PNGs of exactly the pixels that were encoded.

    Parameters
    ----------
    source, name, origin
        What was read, what the source is called in problems, and its format.
    workspace
        Where everything goes.
    store, ensemble
        Models; needed when there are images.
    attested
        Consents that the importing user vouches for, recorded for real people of whom the source states none.
    terms
        To find features that were written by name, and to bring replaced ids up to date; None leaves them as they are.
    update
        Give stored cases the facts of the source; otherwise a contradiction is a problem.
    advance
        Called after every image, and after every case without one.

    Raises
    ------
    NothingFoundError
        When the source has no usable case.
    InputError
        When no case could be imported; the message holds the first problem.
    """
    if not source.cases:
        raise NothingFoundError(f"'{name}' has no case that can be imported{_first(source.problems)}")
    run = _Run(workspace, name, origin, update=update, advance=advance)
    run.problems += [str(problem) for problem in source.problems]
    prepared = [(row, _prepared(case, attested, terms, run, row)) for row, case in source.cases]
    run.add(prepared, source, store=store, ensemble=ensemble)
    if run.added + run.there == 0:
        raise InputError(f"none of the {len(source.cases)} cases of '{name}' could be imported{_first(run.problems)}")
    return Imported(
        run.added,
        run.there,
        run.changed,
        run.photos,
        run.photos_there,
        len(source.cases),
        run.encodings,
        tuple(run.notes),
        tuple(run.problems),
    )


def _prepared(case: Case, attested: Sequence[Consent], terms: HpoTerms | None, run: _Run, row: int) -> Case:
    """The case with vouched-for consents and with the features that could be found by name."""
    if attested and not case.consents and not case.patient.simulated:
        case = replace(case, consents=tuple(attested))
    if terms is None:
        return case
    found: dict[str, Phenotype] = {}
    for phenotype in case.phenotypes:
        now = terms.find(phenotype.term)
        if now is None:
            run.problems.append(f"{run.name}, row {row}: {phenotype.term} is not in {terms.release}; kept as it is")
        elif now.note:
            run.notes.append(f"{run.name}, row {row}: {now.note}")
        found.setdefault(now.id if now else phenotype.term, replace(phenotype, term=now.id if now else phenotype.term))
    for where, text in case.as_written:
        named = terms.find(text.lstrip("!-").strip()) if where == "hpo" else None
        if named is not None:
            state = TermState.EXCLUDED if text.startswith(("!", "-")) else TermState.PRESENT
            found.setdefault(named.id, Phenotype(named.id, state, label=named.name))
            run.notes.append(f"{run.name}, row {row}: '{text}' was taken as {named.id} {named.name}")
    return replace(case, phenotypes=tuple(found.values())).with_photos(case.photos)


@dataclass
class _Run:
    """One import under way, and what it has done so far."""

    workspace: Workspace
    name: str
    origin: str
    update: bool
    advance: Callable[[], None]
    added: int = 0
    there: int = 0
    changed: int = 0
    photos: int = 0
    photos_there: int = 0
    encodings: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _batch: list[tuple[int, Case]] = field(default_factory=list)

    def add(self, cases: Sequence[tuple[int, Case]], source: ReadCases, *, store: ModelStore, ensemble: str) -> None:
        """Add all cases in order; those with images are encoded by a pool of processes meanwhile."""
        unconsented = self._without_consent([case for _, case in cases if _images(case, source)])
        files = [
            (photo.id, source.photo_files[photo.id])
            for _, case in cases
            if case.id not in unconsented
            for photo in _images(case, source)
        ]
        with ExitStack() as stack:
            paths = list(_on_disk(files, stack))
            names = [photo_id for photo_id, _ in files]
            encoded = (
                iter_encoded(paths, store=store, ensemble=ensemble, names=names, keep_png=True) if files else iter(())
            )
            for row, case in cases:
                images = _images(case, source)
                if not images:
                    self._later(row, case)
                elif case.id in unconsented:
                    self._problem(
                        row,
                        f"no consent is recorded for patient '{case.id}': nothing of them was stored; fill in the "
                        "consent column, or vouch for it with --consent",
                    )
                else:
                    self._with_images(row, case, [next(encoded) for _ in images])
            self._flush()

    def _without_consent(self, cases: Collection[Case]) -> set[str]:
        """Real people of whom neither the source nor the workspace has a consent in force: not even encoded."""
        today = self.workspace.clock().astimezone().date()
        asked = {
            case.id
            for case in cases
            if not case.patient.simulated and not any(consent.holds(today) for consent in case.consents)
        }
        if not asked:
            return set()
        stored = self.workspace.cases(ids=asked)
        return asked - {case.id for case in stored if any(consent.holds(today) for consent in case.consents)}

    def _later(self, row: int, case: Case) -> None:
        self._batch.append((row, case))
        self.advance()
        if len(self._batch) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        known = {photo.id for stored in self.workspace.cases(ids=[c.id for _, c in batch]) for photo in stored.photos}
        outcomes = self.workspace.add_cases([case for _, case in batch], origin=self.origin)
        for (row, case), outcome in zip(batch, outcomes, strict=True):
            self._count(row, case, outcome, known)

    def _with_images(self, row: int, case: Case, encoded: Sequence[EncodedPhoto | EncodingProblem]) -> None:
        good = {photo.name: photo for photo in encoded if isinstance(photo, EncodedPhoto)}
        bad = {photo.photo: photo for photo in encoded if isinstance(photo, EncodingProblem)}
        for _ in encoded:
            self.advance()
        for problem in bad.values():
            self._problem(row, problem.message)
        photos = []
        for photo in case.photos:
            seen = good.get(photo.id)
            if photo.id in bad:
                continue
            if seen is not None and photo.sha256 not in (NOT_STATED, seen.pixel_sha256):
                self._problem(row, f"photo '{photo.id}' has other pixels than the source states; it was left out")
                del good[photo.id]
                continue
            photos.append(replace(photo, sha256=seen.pixel_sha256) if seen else photo)
        if not photos:
            return
        case = case.with_photos(photos)
        known = {photo.id for stored in self.workspace.cases(ids=[case.id]) for photo in stored.photos}
        images = {name: photo.png or b"" for name, photo in good.items()}
        try:
            outcome: Added | DeciFaceError = self.workspace.add_case(case, images=images, origin=self.origin)
        except DeciFaceError as error:
            outcome = error
        if not self._count(row, case, outcome, known, images):
            return
        try:
            self.encodings += self.workspace.add_encodings(e for photo in good.values() for e in photo.encodings)
        except DeciFaceError as error:
            self._problem(row, str(error))
        self.notes += [f"{self.name}, row {row}: '{p.name}': {said}" for p in good.values() for said in _to_look_at(p)]

    def _count(
        self,
        row: int,
        case: Case,
        outcome: Added | DeciFaceError,
        known: Collection[str],
        images: Mapping[str, bytes] = MappingProxyType({}),
    ) -> bool:
        """Count what became of a case; False when it is not in the workspace as given."""
        if isinstance(outcome, MismatchError) and self.update:
            outcome = self._changed(case, outcome, images)
        if isinstance(outcome, DeciFaceError):
            self._problem(row, str(outcome))
            return False
        self.added += outcome is Added.ADDED
        self.there += outcome is not Added.ADDED
        self.photos += sum(photo.id not in known for photo in case.photos)
        self.photos_there += sum(photo.id in known for photo in case.photos)
        return True

    def _changed(self, case: Case, refused: MismatchError, images: Mapping[str, bytes]) -> Added | DeciFaceError:
        """Give a stored case the facts of the source; its photos and consents stay, new consents are recorded."""
        stored = next(iter(self.workspace.cases(ids=[case.id])), None)
        if stored is None:
            return refused
        try:
            changed = self.workspace.change_case(replace(case, consents=stored.consents).with_photos(stored.photos))
            for consent in case.consents:
                self.workspace.record_consent(case.id, consent)
            outcome = self.workspace.add_case(case, images=images, origin=self.origin)
        except DeciFaceError as error:
            return error
        self.changed += bool(changed)
        return outcome

    def _problem(self, row: int, message: str) -> None:
        self.problems.append(f"{self.name}, row {row}: {message}")


def _images(case: Case, source: ReadCases) -> list[Photo]:
    return [photo for photo in case.photos if photo.id in source.photo_files]


def _on_disk(files: Sequence[tuple[str, PhotoFile]], stack: ExitStack) -> Iterator[Path]:
    """Every image as a file; those that come out of a container lie in a temporary folder for the while."""
    folder: Path | None = None
    for number, (_, file) in enumerate(files):
        if isinstance(file, Path):
            yield file
            continue
        folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deciface-import-")))
        taken = folder / f"{number}.png"
        taken.write_bytes(file())
        yield taken


def _first(problems: Sequence[object]) -> str:
    return f"; the first problem: {problems[0]}" if problems else ""


def _to_look_at(photo: EncodedPhoto) -> Iterator[str]:
    if photo.quality == Verdict.RETAKE:
        yield "quality: retake (deciface photo check says why)"
    yield from (remark for remark in photo.remarks if "faces found" in remark)


def import_encodings(path: Path, workspace: Workspace, *, cut_names: bool = False) -> int:
    """Add a file of encodings to photos that are in the workspace, all or none; return how many were new.

    Parameters
    ----------
    path
        ``.csv`` (GestaltMatcher-Arc's columns), ``.parquet`` or ``.npz``.
    workspace
        Has the photos, described or with images.
    cut_names
        Photo ids end at the first underscore of ``img_name``, as GestaltMatcher-Arc writes them (``12_aligned.jpg``).

    Raises
    ------
    TableError, InputError, MismatchError, AccessError
        A file that cannot be read, a photo that is not there, other pixels, a user who may not.
    """
    names: Literal["whole", "until-underscore"] = "until-underscore" if cut_names else "whole"
    return workspace.add_encodings(iter_encodings(path, image_names=names))
