"""Which formats cases can be read from and written to, by name; those of plug-ins too."""

from __future__ import annotations

from collections.abc import Callable
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
        f"'{source}' looks like none of {', '.join(known)}; name its format with --format, or see docs/cases.md"
    )


def _made(make: Callable[[], Any]) -> Importer:
    importer: Importer = make()
    return importer


EXPORTED = ("csv", "xlsx", "phenopackets", "gmdb", "dicom", ENCODINGS)
"""Names that an export takes."""


def exporter_for(format_name: str, *, clock: Callable[[], Any], created_by: str) -> Exporter:
    """Make the exporter of a format of cases.

    Raises
    ------
    OptionError
        A format that is not known.
    """
    if format_name == "phenopackets":
        from deciface.formats.phenopackets_out import PhenopacketsExporter

        return PhenopacketsExporter(clock=clock, created_by=created_by)
    if format_name == "gmdb":
        from deciface.formats.gmdb_out import GmdbExporter

        return GmdbExporter(clock)
    if format_name == "csv":
        from deciface.formats.cases_csv_out import CaseTableExporter

        return CaseTableExporter()
    if format_name == "xlsx":
        from deciface.formats.cases_xlsx import CaseWorkbookExporter

        return CaseWorkbookExporter()
    raise OptionError(f"--format {format_name}: allowed are {', '.join(EXPORTED)}")
