"""Import cases from any format into a workspace: people and what is known of them; photos are encoded on the way.

Good cases are imported one after the other, every problem is named with its place. A process that is killed leaves
whole cases; the same import run again adds what is missing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from deciface.cases import NOT_STATED, Case, Consent, Photo
from deciface.errors import (
    DeciFaceError,
    MismatchError,
    NothingFoundError,
    NothingImportedError,
    StorageError,
)
from deciface.faces import Verdict
from deciface.formats.case_cells import CasesTable
from deciface.formats.case_table import read_table
from deciface.formats.exchange import PhotoFile, ReadCases
from deciface.models import ModelStore
from deciface.ontology import HpoTerms
from deciface.store import Added, Workspace
from deciface.store.opening import CACHE, IMPORTS
from deciface.workflows.encoding import DEFAULT_ENSEMBLE, Arithmetic, EncodedPhoto, iter_encoded
from deciface.workflows.encoding import Problem as EncodingProblem
from deciface.workflows.preparing import Remarks, with_current_features, with_vouched

_Encode = Callable[..., Generator[EncodedPhoto | EncodingProblem, None, None]]
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
    vouched: Sequence[Consent] = (),
    terms: HpoTerms | None = None,
    update: bool = False,
    advance: Callable[[], None] = lambda: None,
    arithmetic: Arithmetic | None = None,
    say: Callable[[str], None] = lambda _: None,
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
    vouched
        Consents that the importing user vouches for, recorded for real people of whom none was ever recorded.
    terms
        To find features that were written by name, and to bring replaced ids up to date; None leaves them as they are.
    update
        Give stored cases the facts that the source states; otherwise a contradiction is a problem.
    advance
        Called after every image, and after every case without one.
    arithmetic, say
        As in `deciface.workflows.encoding.iter_encoded`.

    Raises
    ------
    NothingFoundError
        When the source has no usable case.
    NothingImportedError
        When no case could be imported; it holds all problems.
    StorageError
        When the disk is full or the database stays locked; what was imported is kept, the same import can be run again.
    """
    if not source.cases:
        raise NothingFoundError(f"'{name}' has no case that can be imported{_first(source.problems)}")
    remarks = Remarks(name, problems=[str(problem) for problem in source.problems])
    cases = with_vouched(source.cases, vouched, workspace)
    if terms is not None:
        cases = [(row, with_current_features(case, row, terms, remarks)) for row, case in cases]
    run = _Run(workspace, remarks, origin, update=update, advance=advance)
    encode = partial(iter_encoded, store=store, ensemble=ensemble, arithmetic=arithmetic, say=say)
    run.add(cases, source, encode)
    if run.added + run.there == 0:
        own = remarks.problems[len(source.problems) :] or remarks.problems  # why, before what was odd in the file
        raise NothingImportedError(
            f"none of the {len(source.cases)} cases of '{name}' could be imported{_first(own)}",
            problems=tuple(remarks.problems),
        )
    return Imported(
        run.added,
        run.there,
        run.changed,
        run.photos,
        run.photos_there,
        len(source.cases),
        run.encodings,
        tuple(remarks.notes),
        tuple(remarks.problems),
    )


@dataclass
class _Run:
    """One import under way, and what it has done so far."""

    workspace: Workspace
    remarks: Remarks
    origin: str
    update: bool
    advance: Callable[[], None]
    added: int = 0
    there: int = 0
    changed: int = 0
    photos: int = 0
    photos_there: int = 0
    encodings: int = 0
    _batch: list[tuple[int, Case]] = field(default_factory=list)

    def add(self, cases: Sequence[tuple[int, Case]], source: ReadCases, encode: _Encode) -> None:
        """Add all cases in order; those with images are encoded by a pool of processes meanwhile."""
        cases = self._without_withdrawn(cases)
        refused = self._without_consent([case for _, case in cases if _images(case, source)])
        with ExitStack() as stack:
            files, broken = _on_disk(
                [
                    (photo.id, source.photo_files[photo.id])
                    for _, case in cases
                    if case.id not in refused
                    for photo in _images(case, source)
                ],
                self.workspace.root / CACHE,
                stack,
            )
            encoded: Iterator[EncodedPhoto | EncodingProblem] = iter(())
            if files:
                found = encode(list(files.values()), names=list(files), keep_png=True)
                encoded = stack.enter_context(closing(found))
            for row, case in cases:
                images = _images(case, source)
                if not images:
                    self._later(row, case)
                elif case.id in refused:
                    self.remarks.problem(
                        row,
                        f"no consent is recorded for patient '{case.id}': nothing of them was stored; fill in the "
                        "consent column, or vouch for it with --consent",
                    )
                else:
                    self._say_missing(row, [photo for photo in images if photo.id not in files | broken])
                    there = [photo for photo in images if photo.id in files | broken]
                    self._with_images(row, case, [broken.get(photo.id) or next(encoded) for photo in there])
            self._flush()

    def _without_withdrawn(self, cases: Sequence[tuple[int, Case]]) -> list[tuple[int, Case]]:
        """Photos that were withdrawn stay out; the case they belong to comes in."""
        gone = self.workspace.withdrawn_photos([photo.id for _, case in cases for photo in case.photos])
        for row, case in cases:
            for photo in case.photos:
                if photo.id in gone:
                    self.remarks.problem(row, f"photo '{photo.id}' was withdrawn; it was left out")
        return [(row, case.with_photos(p for p in case.photos if p.id not in gone)) for row, case in cases]

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
        known = self.workspace.known_photos([photo.id for _, case in batch for photo in case.photos])
        outcomes = self.workspace.add_cases([case for _, case in batch], origin=self.origin)
        for (row, case), outcome in zip(batch, outcomes, strict=True):
            self._count(row, case, self._updated(case, outcome, {}), known)

    def _say_missing(self, row: int, photos: Sequence[Photo]) -> None:
        """Images that are not where the source says, unless the workspace has them: an edited export, for instance."""
        for photo in photos:
            if not self.workspace.has_image(photo.id):
                self.remarks.problem(row, f"'{photo.file_name}' is not there: the photo is described only")

    def _with_images(self, row: int, case: Case, encoded: Sequence[EncodedPhoto | EncodingProblem]) -> None:
        good = {photo.name: photo for photo in encoded if isinstance(photo, EncodedPhoto)}
        called = {photo.id: photo.file_name or photo.id for photo in case.photos}
        for photo in encoded:
            self.advance()
            if isinstance(photo, EncodingProblem):
                self.remarks.problem(row, photo.message.replace(photo.photo, called[photo.photo]))
        bad = {photo.photo for photo in encoded if isinstance(photo, EncodingProblem)}
        again = self._there_by_pixels(row, case, good, called)
        bad |= again
        photos = []
        for described in case.photos:
            seen = good.get(described.id)
            if described.id in bad:
                continue
            if seen is not None and described.sha256 not in (NOT_STATED, seen.pixel_sha256):
                self.remarks.problem(
                    row, f"'{called[described.id]}' has other pixels than the source states; it was left out"
                )
                del good[described.id]
                continue
            photos.append(replace(described, sha256=seen.pixel_sha256) if seen else described)
        if not photos and bad - again:
            self.remarks.problem(row, f"patient '{case.id}' was not stored: none of their photos could be used")
            return
        case = case.with_photos(photos)
        known = self.workspace.known_photos([photo.id for photo in photos])
        images = {name: photo.png or b"" for name, photo in good.items()}
        if not self._count(row, case, self._updated(case, self._stored(case, images), images), known):
            return
        try:
            self.encodings += self.workspace.add_encodings(e for photo in good.values() for e in photo.encodings)
        except StorageError:
            raise
        except DeciFaceError as error:
            self.remarks.problem(row, str(error))
        for photo in good.values():
            for said in _to_look_at(photo):
                self.remarks.note(row, f"'{called[photo.name]}': {said}")

    def _there_by_pixels(
        self, row: int, case: Case, good: dict[str, EncodedPhoto], called: Mapping[str, str]
    ) -> set[str]:
        """Photos that the patient has already under another id: a folder was renamed, or a file is there twice."""
        by_pixels = {p.sha256: p.id for stored in self.workspace.cases(ids=[case.id]) for p in stored.photos}
        again = set()
        for photo_id, photo in list(good.items()):
            first = by_pixels.setdefault(photo.pixel_sha256, photo_id)
            if first != photo_id:
                self.remarks.note(row, f"'{called[photo_id]}' is photo '{first}' once more; it was not added again")
                again.add(photo_id)
                del good[photo_id]
                self.photos_there += 1
        return again

    def _stored(self, case: Case, images: Mapping[str, bytes]) -> Added | DeciFaceError:
        """Add a case, or say why it is refused; a full disk or a locked database ends the import."""
        try:
            return self.workspace.add_case(case, images=images, origin=self.origin)
        except StorageError:
            raise
        except DeciFaceError as error:
            return error

    def _updated(
        self, case: Case, outcome: Added | DeciFaceError, images: Mapping[str, bytes]
    ) -> Added | DeciFaceError:
        """With --update: give a stored case what the source states, then add the photos that are new."""
        if not isinstance(outcome, MismatchError) or not self.update:
            return outcome
        try:
            changed = self.workspace.update_case(case)
            stored = self.workspace.case(case.id)
        except StorageError:
            raise
        except DeciFaceError as error:
            return error
        self.changed += bool(changed)
        there = {photo.id for photo in stored.photos}
        new = [photo for photo in case.photos if photo.id not in there or photo.id in images]
        by_id = {photo.id: photo for photo in stored.photos}
        kept = [replace(by_id.get(photo.id, photo), sha256=photo.sha256) for photo in new]
        return self._stored(stored.with_photos(kept), images) if kept else Added.ALREADY_THERE

    def _count(self, row: int, case: Case, outcome: Added | DeciFaceError, known: Collection[str]) -> bool:
        """Count what became of a case; False when it is not in the workspace as given."""
        if isinstance(outcome, DeciFaceError):
            hint = "" if self.update or not isinstance(outcome, MismatchError) else "; --update takes the new facts"
            self.remarks.problem(row, f"{outcome}{hint}")
            return False
        self.added += outcome is Added.ADDED
        self.there += outcome is not Added.ADDED
        self.photos += sum(photo.id not in known for photo in case.photos)
        self.photos_there += sum(photo.id in known for photo in case.photos)
        return True


def _images(case: Case, source: ReadCases) -> list[Photo]:
    return [photo for photo in case.photos if photo.id in source.photo_files]


def _on_disk(
    files: Sequence[tuple[str, PhotoFile]], cache: Path, stack: ExitStack
) -> tuple[dict[str, Path], dict[str, EncodingProblem]]:
    """Every image as a file, by photo id, and those that could not be taken out of their container.

    What is taken out lies in the workspace's cache for the while, which opening clears of what a killed import left.
    """
    paths: dict[str, Path] = {}
    broken: dict[str, EncodingProblem] = {}
    folder: Path | None = None
    for number, (photo_id, file) in enumerate(files):
        if isinstance(file, Path):
            if file.is_file():
                paths[photo_id] = file
            continue
        if folder is None:
            cache.mkdir(exist_ok=True)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=IMPORTS, dir=cache)))
        try:
            content = file()
        except DeciFaceError as error:
            broken[photo_id] = EncodingProblem(photo_id, str(error), error.exit_code)
            continue
        paths[photo_id] = folder / f"{number}.png"
        paths[photo_id].write_bytes(content)
    return paths, broken


def _first(problems: Sequence[object]) -> str:
    return f"; the first problem: {problems[0]}" if problems else ""


def _to_look_at(photo: EncodedPhoto) -> Iterator[str]:
    if photo.quality == Verdict.RETAKE:
        yield "quality: retake (deciface photo check says why)"
    yield from (remark for remark in photo.remarks if "faces found" in remark)
