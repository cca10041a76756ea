"""Which formats cases can be read from and written to, by name; those of plug-ins too."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deciface.errors import InputError, OptionError
from deciface.formats.case_table import CaseTableImporter, CaseWorkbookImporter
from deciface.formats.exchange import Exporter, Importer
from deciface.plugins import plugins

AUTO = "auto"
ENCODINGS = "encodings"
"""Vectors of photos that are in the workspace; they are no cases and have a way of their own."""


def _phenopackets() -> Importer:
    from deciface.formats.phenopackets_in import PhenopacketsImporter

    return PhenopacketsImporter()


def _gmdb() -> Importer:
    from deciface.formats.gmdb_in import GmdbImporter

    return GmdbImporter()


def _face2gene() -> Importer:
    from deciface.formats.face2gene_json import Face2GeneImporter

    return Face2GeneImporter()


def _pedia() -> Importer:
    from deciface.formats.pedia_json import PediaImporter

    return PediaImporter()


def _dicom() -> Importer:
    from deciface.formats.dicom_photo import DicomPhotoImporter

    return DicomPhotoImporter()


_IMPORTERS: dict[str, Callable[[], Importer]] = {
    "gmdb": _gmdb,
    "phenopackets": _phenopackets,
    "face2gene": _face2gene,
    "pedia": _pedia,
    "dicom": _dicom,
    "xlsx": CaseWorkbookImporter,
    "csv": CaseTableImporter,
}
"""In the order in which a source is asked what it is: the strictest first."""


def importers() -> dict[str, Callable[[], Any]]:
    """Ours, then those of plug-ins (entry points of ``deciface.importers``)."""
    return _IMPORTERS | plugins("deciface.importers")


def import_formats() -> tuple[str, ...]:
    """Names that an import takes."""
    return (AUTO, *importers(), ENCODINGS)


def table_within(source: Path) -> Path:
    """The case table of a folder that an export with photos made; any other source as it is."""
    tables = [source / made.cases for name, made in _WITH_IMAGES.items() if name in ("csv", "xlsx")]
    return next((table for table in tables if table.is_file()), source)


def is_encodings(source: Path) -> bool:
    """Whether a file holds vectors: by its suffix, or a CSV with GestaltMatcher-Arc's columns."""
    if source.suffix.casefold() in (".npz", ".parquet"):
        return True
    try:
        with source.open("rb") as file:
            head = file.readline(4096)
    except (OSError, ValueError):
        return False
    return {b"img_name", b"representations"} <= set(head.removeprefix(b"\xef\xbb\xbf").strip().split(b";"))


def importer_for(source: Path, format_name: str = AUTO) -> Importer:
    """Choose the importer of a source, by name or by looking at it.

    Raises
    ------
    OptionError
        A format that is not known.
    InputError
        A source that does not exist, or that looks like no known format.
    """
    known = importers()
    if not source.exists():
        raise InputError(f"'{source}' does not exist; give a file or a folder of cases")
    if format_name != AUTO:
        if format_name not in known:
            raise OptionError(f"--format {format_name}: allowed are {', '.join(import_formats())}")
        return _made(known[format_name])
    for make in known.values():
        importer = _made(make)
        if importer.sniff(source):
            return importer
    raise InputError(
        f"'{source}' looks like none of {', '.join((*known, ENCODINGS))}; a case table needs a header with the column "
        "'patient'; name the format with --format to hear what is wrong, or see docs/cases.md"
    )


def _made(make: Callable[[], Any]) -> Importer:
    importer: Importer = make()
    return importer


DICOM, GMDB = "dicom", "gmdb"
EXPORTED = ("csv", "xlsx", "phenopackets", GMDB, DICOM, ENCODINGS)
"""Names that an export takes."""


@dataclass(frozen=True, slots=True)
class WithImages:
    """A folder of cases and images: what the cases are called, where images lie, how cases name them.

    An empty name of the cases: they are files of the folder itself.
    """

    cases: str
    folder: str
    named: str


_WITH_IMAGES = {
    "csv": WithImages("cases.csv", "photos", "photos/"),
    "xlsx": WithImages("cases.xlsx", "photos", "photos/"),
    "phenopackets": WithImages("phenopackets.jsonl", "photos", "photos/"),
    "gmdb": WithImages("", "images", ""),
}


_SUFFIXES = {
    ".csv": "csv",
    ".xlsx": "xlsx",
    ".jsonl": "phenopackets",
    ".gz": "phenopackets",
    ".npz": ENCODINGS,
    ".parquet": ENCODINGS,
}


def format_of_target(target: Path, format_name: str | None, *, with_photos: bool) -> str:
    """The format of an export: the one that was named, else that of the target's suffix, else a CSV in a folder.

    Raises
    ------
    OptionError
        A format that is not known, or another than the target's suffix says.
    """
    by_suffix = _SUFFIXES.get(target.suffix.casefold())
    if format_name is None:
        if by_suffix is None and not with_photos:
            raise OptionError(f"'{target.name}' does not say its format; name one with --format: {', '.join(EXPORTED)}")
        return "csv" if by_suffix is None or with_photos else by_suffix
    check_export_format(format_name)
    if by_suffix not in (None, format_name) and not with_photos and (by_suffix, format_name) != ("csv", ENCODINGS):
        raise OptionError(
            f"'{target.name}' ends in '{target.suffix}', which is {by_suffix}, not {format_name}; change one"
        )
    return format_name


def check_export_format(format_name: str) -> None:
    """Raise an OptionError for a format that nothing is written in."""
    if format_name not in EXPORTED:
        raise OptionError(f"--format {format_name}: allowed are {', '.join(EXPORTED)}")


def images_within(format_name: str) -> WithImages:
    """How a format keeps cases and images in one folder, so that its importer finds both."""
    return _WITH_IMAGES[format_name]


def exporter_for(
    format_name: str, *, clock: Callable[[], dt.datetime], pixels: Callable[[str], bytes] | None = None
) -> Exporter:
    """Make the exporter of a format of cases.

    Parameters
    ----------
    format_name
        One of `EXPORTED` but for encodings.
    clock
        Gives the time of writing.
    pixels
        Image of a photo by id; DICOM needs it.

    Raises
    ------
    OptionError
        A format that is not known.
    """
    check_export_format(format_name)
    if format_name == "phenopackets":
        from deciface.formats.phenopackets_out import PhenopacketsExporter

        return PhenopacketsExporter(clock)
    if format_name == "gmdb":
        from deciface.formats.gmdb_out import GmdbExporter

        return GmdbExporter(clock)
    if format_name == "csv":
        from deciface.formats.cases_csv_out import CaseTableExporter

        return CaseTableExporter()
    if format_name == "xlsx":
        from deciface.formats.cases_xlsx import CaseWorkbookExporter

        return CaseWorkbookExporter()
    if format_name == DICOM and pixels is not None:
        from deciface.formats.dicom_photo_out import DicomPhotoExporter

        return DicomPhotoExporter(pixels)
    raise OptionError(f"--format {format_name} holds no cases; allowed are {', '.join(_WITH_IMAGES)}")
