"""GA4GH Phenopackets v2, in: a file, or a folder of files, as cases.

Files are ``.json``, ``.jsonl``, and both with ``.gz``; a file holds one phenopacket, an array, or one a line. The id of
a phenopacket becomes the case's id; the subject's id, which repeats from paper to paper, becomes one of its other ids.
A sidecar ``NAME.deciface.json`` beside a file (see `deciface.formats.phenopackets_sidecar`) is taken up.

Problems have the line (or the number) of the record as row and the JSON path as column. What is not a phenopacket's
evident meaning is told, and what the source wrote is kept in `Case.as_written`: ids with their labels swapped, HGVS
descriptions of a wrong shape, diseases without id, terms that contradict each other. Sections without a place in a case
(measurements, biosamples, treatments, pedigrees) are named. How sure a diagnosis is: `phenopackets_genomics`.

Source: phenopacket-schema.readthedocs.io, version 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from deciface.cases import Case
from deciface.errors import InputError, TableError
from deciface.formats.exchange import PhotoFile, ReadCases
from deciface.formats.json_text import JsonRecord, first_bytes, read_json
from deciface.formats.phenopackets_record import read_packet
from deciface.formats.phenopackets_shape import Record, shown
from deciface.formats.phenopackets_sidecar import (
    PHENOPACKET_SUFFIXES,
    SUFFIX,
    read_sidecar,
    restore,
    sha256_of,
    sidecar_path,
)
from deciface.formats.text import Problem

_MARKS = (b'"phenotypicFeatures"', b'"phenopacketSchemaVersion"', b'"metaData"')
_SNIFFED_FILES = 3


class PhenopacketsImporter:
    """Reads GA4GH Phenopackets v2."""

    name = "phenopackets"

    def sniff(self, path: Path) -> bool:
        """Whether a file, or one of the first files of a folder, has phenopackets in its first kilobytes."""
        try:
            files = _files_of(path)[:_SNIFFED_FILES] if path.is_dir() else [path]
        except OSError:
            return False
        return any(any(mark in first_bytes(file) for mark in _MARKS) for file in files if _is_named_so(file))

    def read(self, path: Path) -> ReadCases:
        """Read a file or folder; a file of a folder that cannot be read is a problem, the others are read.

        Raises
        ------
        InputError
            The file cannot be read at all, or the folder has no phenopackets.
        """
        if not path.is_dir():
            reading = _Reading(path.parent)
            reading.read_file(path, path.name)
            return reading.result()
        files = _files_of(path)
        if not files:
            kinds = ", ".join(PHENOPACKET_SUFFIXES)
            raise InputError(f"'{path}' has no phenopackets ({kinds}); give a file or a folder of them")
        reading = _Reading(path)
        for file in files:
            name = file.relative_to(path).as_posix()
            try:
                reading.read_file(file, name)
            except TableError as error:
                message = str(error).removeprefix(f"{name}: ").removeprefix(f"{name}, row {error.row}: ")
                reading.problems.append(Problem(name, error.row or 1, "", f"dropped: {message}"))
        return reading.result()


def _is_named_so(path: Path) -> bool:
    name = path.name.casefold()
    return name.endswith(PHENOPACKET_SUFFIXES) and not name.endswith(SUFFIX) and not name.startswith(".")


def _files_of(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if _is_named_so(file) and file.is_file())


class _Reading:
    """What has been read so far; ids are unique over all files."""

    def __init__(self, folder: Path) -> None:
        self.problems: list[Problem] = []
        self._folder = folder.resolve()
        self._cases: list[tuple[int, Case]] = []
        self._places: dict[str, str] = {}
        self._photo_places: dict[str, str] = {}
        self._photo_files: dict[str, PhotoFile] = {}

    def result(self) -> ReadCases:
        return ReadCases(tuple(self._cases), tuple(self.problems), self._photo_files)

    def read_file(self, path: Path, name: str) -> None:
        """Read one file.

        Raises
        ------
        TableError
            It cannot be read at all.
        """
        content = read_json(path, file=name)
        self.problems += content.problems
        entries = self._sidecar(path, name)
        missing: list[int] = []
        for found in content.records:
            self._read_record(found, entries, path.parent, missing)
        if missing:
            lacking = f"the images of {len(missing)} photos are not beside the file; they are described only"
            self.problems.append(Problem(name, missing[0], "files", lacking))

    def _sidecar(self, path: Path, name: str) -> Mapping[str, Mapping[str, Any]]:
        beside = sidecar_path(path)
        if not beside.is_file():
            return {}
        shown_name = (PurePosixPath(name).parent / beside.name).as_posix()
        try:
            return read_sidecar(beside, file=shown_name)
        except TableError as error:
            message = str(error).removeprefix(f"{shown_name}: ")
            self.problems.append(Problem(shown_name, error.row or 1, "", f"the sidecar is not used: {message}"))
            return {}

    def _read_record(
        self, found: JsonRecord, entries: Mapping[str, Mapping[str, Any]], folder: Path, missing: list[int]
    ) -> None:
        record = Record(found.file, found.row)
        read = read_packet(record, found.value)
        if read is not None:
            case, uris = read
            if case.id in self._places:
                record.tell("id", f"dropped: {shown(case.id)} stands in {self._places[case.id]} already; keep one")
            else:
                self._places[case.id] = f"{found.file}, row {found.row}"
                if case.id in entries:
                    case = _with_sidecar(record, case, found.value, entries[case.id])
                case = self._with_own_photos(record, case, uris, folder, missing)
                self._cases.append((found.row, case))
        self.problems += record.problems

    def _with_own_photos(
        self, record: Record, case: Case, uris: Mapping[str, str], folder: Path, missing: list[int]
    ) -> Case:
        """Keep photos whose id no other case has, and find their images."""
        if not case.photos:
            return case
        kept = []
        for photo in case.photos:
            if photo.id in self._photo_places:
                earlier = shown(self._photo_places[photo.id])
                record.tell("files", f"photo {shown(photo.id)} left out: case {earlier} has that id; give each its own")
                continue
            self._photo_places[photo.id] = case.id
            kept.append(photo)
            image = self._image(record, uris.get(photo.id, ""), folder)
            if image is not None:
                self._photo_files[photo.id] = image
            else:
                missing.append(record.row)
        return case.with_photos(kept)

    def _image(self, record: Record, uri: str, folder: Path) -> Path | None:
        """Find the image a URI names, if it lies in the folder that was given; nothing else is ever opened."""
        try:
            parts = urlsplit(uri)
            if parts.scheme not in ("", "file") or not parts.path:
                return None
            image = (folder / unquote(parts.path)).resolve()
            if not image.is_relative_to(self._folder):
                record.tell("files", f"{shown(uri)} lies outside the folder and is not opened; copy it beside the file")
                return None
            return image if image.is_file() else None
        except (OSError, ValueError):
            return None


def _with_sidecar(record: Record, case: Case, packet: object, entry: Mapping[str, Any]) -> Case:
    """Put a sidecar's fields into a case; told when the phenopacket was changed after the sidecar was written."""
    try:
        restored = restore(case, entry)
    except ValueError as error:
        record.tell("", f"the sidecar's fields are not used: {error}; export again")
        return case
    if entry.get("sha256") != sha256_of(packet):
        fields = ", ".join(key for key in entry if key != "sha256")
        record.tell("", f"changed since the sidecar was written; {fields} are taken from the sidecar, check them")
    return restored
