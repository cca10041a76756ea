"""Metadata of the GestaltMatcher Database (GMDB), in: a directory, or its image table, as cases.

One case per ``patient_id`` with its images as photos (``image_id``). The newest ``image_metadata_vX.tsv`` is read.
Images are looked for by ``filename``, else by ``image_id``, in the folder itself and in ``images/`` and ``photos/``;
their absence is told once. A photo of a row with a publication comes from the literature. Rows of one patient that
contradict each other are told and the first counts. How consent is read: `gmdb_consent`; disorders, genes and
variants: `gmdb_person`. Splits: `gmdb_tables.read_splits`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from deciface.cases import PhotoSource, PhotoView
from deciface.cases.ages import parse_age_years
from deciface.cases.identifiers import reference_id
from deciface.errors import InputError, TableError
from deciface.formats.exchange import PhotoFile, ReadCases
from deciface.formats.gmdb_consent import (
    CONSENT_WORDS,
    PRIVATE_WORDS,
    SIMULATED_WORD,
    Openness,
    is_known,
    openness,
)
from deciface.formats.gmdb_person import Person, PhotoRow
from deciface.formats.gmdb_tables import (
    COLUMNS,
    REQUIRED,
    GmdbTable,
    is_metadata_name,
    metadata_files,
    read_syndromes,
    read_table,
)
from deciface.formats.json_text import first_bytes
from deciface.formats.text import Problem, in_one_line

OLDEST_YEARS = 120.0
IMAGE_FOLDERS = ("", "images", "photos")
VIEWS = {
    **dict.fromkeys(("frontal", "front", "frontal face", "frontal view"), PhotoView.FRONTAL),
    **dict.fromkeys(("left profile", "profile left", "left"), PhotoView.LEFT),
    **dict.fromkeys(("right profile", "profile right", "right"), PhotoView.RIGHT),
    **dict.fromkeys(("oblique", "three-quarter", "half profile"), PhotoView.OBLIQUE),
    "unknown": PhotoView.UNKNOWN,
}
_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
_NUMBER = re.compile(r"\d{1,4}(?:[.,]\d*)?")


class GmdbImporter:
    """Reads image metadata of the GestaltMatcher Database."""

    name = "gmdb"

    def sniff(self, path: Path) -> bool:
        """Whether a folder has ``image_metadata_vX.tsv``, or a file is called so and has its columns."""
        try:
            files = metadata_files(path) if path.is_dir() else [path]
        except (InputError, OSError):
            return False
        if not files or not is_metadata_name(files[0].name):
            return False
        header = first_bytes(files[0]).partition(b"\n")[0]
        return all(name.encode() in header for name in REQUIRED)

    def read(self, path: Path) -> ReadCases:
        """Read a folder, or one table in it.

        Raises
        ------
        InputError
            There is no such table, or it cannot be read at all.
        """
        folder = path if path.is_dir() else path.parent
        files = metadata_files(path) if path.is_dir() else [path]
        if not files:
            raise InputError(f"'{path}' has no image_metadata_vX.tsv; give a folder of GMDB tables")
        table = read_table(files[0], delimiter="\t", required=REQUIRED)
        reading = _Reading(files[0].name, table, _images(folder))
        for older in files[1:]:
            reading.problems.append(Problem(older.name, 1, "", f"not read: {files[0].name} is newer"))
        return reading.read(folder)


def _images(folder: Path) -> dict[str, Path]:
    """Files by name; the folder itself comes before its image folders."""
    found: dict[str, Path] = {}
    for place in (folder / name for name in IMAGE_FOLDERS):
        try:
            files = sorted(place.iterdir()) if place.is_dir() else []
        except OSError as error:
            raise InputError(f"'{place}' cannot be read ({error.strerror or error}); check your rights") from error
        for file in files:
            if file.suffix.casefold() in _SUFFIXES and file.is_file():
                found.setdefault(file.name, file)
    return found


class _Reading:
    """What has been read so far."""

    def __init__(self, file: str, table: GmdbTable, images: Mapping[str, Path]) -> None:
        self._file, self._table, self._images = file, table, images
        self._by_stem = {image.stem: image for image in reversed(list(images.values()))}
        self.problems = list(table.problems)
        self._people: dict[str, Person] = {}
        self._photo_rows: dict[str, int] = {}
        self._photo_files: dict[str, PhotoFile] = {}
        self._words: Counter[tuple[str, str]] = Counter()
        self._first_rows: dict[tuple[str, str], int] = {}

    def _tell(self, row: int, column: str, message: str) -> None:
        self.problems.append(Problem(self._file, row, column, message))

    def read(self, folder: Path) -> ReadCases:
        self._check_columns()
        for row, cells in self._table.rows:
            self._row(row, cells)
        cases = tuple((person.row, person.case(self._tell)) for person in self._people.values())
        if (missing := len(self._photo_rows) - len(self._photo_files)) > 0:
            where = "beside the table or in images/"
            message = f"{missing} of {len(self._photo_rows)} images are not {where}; these photos are described only"
            self._tell(1, "filename", message)
        self._tell_words()
        self._check_syndromes(folder)
        return ReadCases(cases, tuple(sorted(self.problems)), self._photo_files)

    def _check_columns(self) -> None:
        columns = self._table.columns
        if absent := [name for name in COLUMNS if name not in columns]:
            self._tell(1, "", f"columns not there, taken as blank: {', '.join(absent)}")
        for name in dict.fromkeys(columns):
            if name and name not in COLUMNS:
                self._tell(1, in_one_line(name, 80), "column not known, ignored")
            elif columns.count(name) > 1 and name:
                self._tell(1, name, "column stands twice; the first is used")

    def _row(self, row: int, cells: dict[str, str]) -> None:
        for name in REQUIRED:
            if name not in cells:
                self._tell(row, name, "row dropped: the cell is empty; fill it in")
                return
            if not cells[name].isprintable():
                self._tell(row, name, "row dropped: the cell has control characters; remove them")
                return
        image_id, patient_id = cells["image_id"], cells["patient_id"]
        if image_id in self._photo_rows:
            shown = in_one_line(image_id, 40)
            self._tell(row, "image_id", f"row dropped: '{shown}' stands in row {self._photo_rows[image_id]} already")
            return
        self._photo_rows[image_id] = row
        person = self._people.setdefault(patient_id, Person(patient_id, row))
        person.hear(row, cells, self._tell)
        self._consent(row, cells, person)
        references = self._references(row, cells)
        person.references |= dict.fromkeys(references)
        source = PhotoSource.LITERATURE if references else PhotoSource.UNKNOWN
        if cells.get("consent", "").casefold() == SIMULATED_WORD:
            person.simulated, source = True, PhotoSource.SIMULATED
        file_name = cells.get("filename", "")
        view = self._view(row, cells.get("image_type", ""))
        person.photos.append(PhotoRow(row, image_id, file_name, self._age(row, cells), view, source))
        image = self._images.get(PurePosixPath(file_name.replace("\\", "/")).name) or self._by_stem.get(image_id)
        if image is not None:
            self._photo_files[image_id] = image

    def _consent(self, row: int, cells: dict[str, str], person: Person) -> None:
        consent, private = cells.get("consent", ""), cells.get("private", "")
        for name, text, known in zip(
            ("consent", "private"), (consent, private), is_known(consent, private), strict=True
        ):
            if not known:
                self._count_word(row, name, text)
        here = openness(consent, private)
        if person.open_to not in (here, Openness.UNHEARD):
            said = f"differs from earlier rows of the same patient ({here.name} here); the stricter counts"
            self._tell(row, "consent", said)
        person.open_to = min(person.open_to, here)

    def _references(self, row: int, cells: dict[str, str]) -> list[str]:
        found = []
        for name, prefix in (("pmid", "PMID:"), ("doi", "doi:")):
            for text in filter(None, (part.strip() for part in cells.get(name, "").split(";"))):
                reference = reference_id(f"{prefix}{text}" if text[0].isdecimal() else text)
                if reference is None:
                    self._tell(row, name, f"'{in_one_line(text, 60)}' is left out; write e.g. 24573067 or 10.1000/xyz")
                else:
                    found.append(reference)
        return found

    def _view(self, row: int, text: str) -> PhotoView:
        if text and text.casefold() not in VIEWS:
            self._count_word(row, "image_type", text)
        return VIEWS.get(text.casefold(), PhotoView.UNKNOWN)

    def _age(self, row: int, cells: dict[str, str]) -> float | None:
        """Age in one image: years and months are added; a year in other words (``18 months``) is read as an age."""
        years, months = cells.get("age_year", ""), cells.get("age_month", "")
        if not years and not months:
            return None
        numbers = [
            float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None for text in (years or "0", months or "0")
        ]
        age = None
        if numbers[0] is not None and numbers[1] is not None:
            age = numbers[0] + numbers[1] / 12
        elif not months:
            age = parse_age_years(years)
        if age is None or age > OLDEST_YEARS:
            shown = in_one_line(f"{years} years {months or 0} months", 60)
            self._tell(row, "age_year", f"'{shown}' is left out; ages are numbers of years (0 to 120) and months")
            return None
        return age

    def _count_word(self, row: int, column: str, text: str) -> None:
        self._words[column, text] += 1
        self._first_rows.setdefault((column, text), row)

    def _tell_words(self) -> None:
        """Tell each word that is not known once, however many rows have it."""
        allowed = {"consent": CONSENT_WORDS, "private": PRIVATE_WORDS, "image_type": tuple(VIEWS)}
        meaning = {"consent": "allows nothing", "private": "allows nothing", "image_type": "is taken as unknown"}
        for (column, text), count in self._words.items():
            rows = f" ({count} rows)" if count > 1 else ""
            known = f"known: {', '.join(allowed[column])}"
            message = f"'{in_one_line(text, 40)}'{rows} is not known and {meaning[column]}; {known}"
            self._tell(self._first_rows[column, text], column, message)

    def _check_syndromes(self, folder: Path) -> None:
        """Tell when the list of syndromes is of another set of images, or cannot be read."""
        try:
            listed = {image for syndrome in read_syndromes(folder) for image in syndrome.image_ids}
        except TableError as error:
            self.problems.append(Problem(error.file, error.row or 1, "", f"not read: {error}"))
            return
        unknown = len(listed - self._photo_rows.keys())
        if unknown:
            self._tell(
                1, "image_id", f"{unknown} images of the list of syndromes are not here; are the versions the same?"
            )
