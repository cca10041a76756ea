"""What every importer must do."""

from __future__ import annotations

import hashlib
from pathlib import Path

from deciface.errors import DeciFaceError
from deciface.formats.exchange import Importer, ReadCases

_RUBBISH = (b"", b"\x00" * 64, b"\xff\xfe\xfd", b"{", b"[" * 2000, b'{"a": 1e999}', b"PK\x03\x04broken", b"a;b\nc")


def check_importer(importer: Importer, source: Path, scratch: Path, *, cases: int) -> ReadCases:
    """Check an importer against the `Importer` protocol.

    Parameters
    ----------
    importer
        To be checked.
    source
        A file or folder of its format, with at least one case.
    scratch
        An empty folder, written to.
    cases
        How many cases the source holds.

    Returns
    -------
    What was read of the source, for checks of one's own.

    Raises
    ------
    AssertionError
        What was expected and what was found.
    """
    name = importer.name
    if not name:
        raise AssertionError("an importer needs a name")
    if not importer.sniff(source):
        raise AssertionError(f"{name}: does not take '{source.name}' for its format")
    before = _digest(source)
    read = importer.read(source)
    if _digest(source) != before:
        raise AssertionError(f"{name}: changed the source that it was given")
    if len(read.cases) != cases:
        raise AssertionError(f"{name}: {len(read.cases)} cases of '{source.name}'; it holds {cases}")
    _check_content(name, read)
    if importer.read(source).cases != read.cases:
        raise AssertionError(f"{name}: a second reading gives other cases")
    _check_rubbish(importer, scratch)
    return read


def _check_content(name: str, read: ReadCases) -> None:
    ids = [case.id for _, case in read.cases]
    if len(set(ids)) != len(ids) or not all(ids):
        raise AssertionError(f"{name}: patients {ids[:5]}; every patient once, none without an id")
    photos = {photo.id for _, case in read.cases for photo in case.photos}
    if len(photos) != sum(len(case.photos) for _, case in read.cases):
        raise AssertionError(f"{name}: a photo id stands for two photos")
    for row, case in read.cases:
        if row < 1:
            raise AssertionError(f"{name}: case '{case.id}' in row {row}; rows count from 1")
        if case.with_photos(case.photos) != case:
            raise AssertionError(f"{name}: photos of case '{case.id}' state other facts; use Case.with_photos")
    if unknown := set(read.photo_files) - photos:
        raise AssertionError(f"{name}: image of photo '{min(unknown)}', which no case has")
    for problem in read.problems:
        if not problem.file or problem.row < 1 or not problem.message or "\n" in str(problem):
            raise AssertionError(f"{name}: problem {problem!r}; file, row from 1 and one line are needed")


def _check_rubbish(importer: Importer, scratch: Path) -> None:
    """Nothing but an InputError comes of files that are none, and sniffing them never raises."""
    for number, content in enumerate(_RUBBISH):
        for suffix in (".csv", ".json", ".xlsx", ".tsv", ".dcm", ""):
            path = scratch / f"rubbish{number}{suffix}"
            path.write_bytes(content)
            importer.sniff(path)
            try:
                importer.read(path)
            except DeciFaceError as error:
                if "\n" in str(error):
                    raise AssertionError(f"{importer.name}: {error!r} has more than one line") from error
    missing = scratch / "missing"
    if importer.sniff(missing):
        raise AssertionError(f"{importer.name}: takes a file that is not there for its format")
    try:
        importer.read(missing)
    except DeciFaceError:
        return
    raise AssertionError(f"{importer.name}: read a file that is not there")


def _digest(source: Path) -> str:
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    total = hashlib.sha256()
    for file in files:
        total.update(str(file).encode())
        if file.is_file():
            total.update(file.read_bytes())
    return total.hexdigest()
