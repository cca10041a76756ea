"""Face2Gene's case files as JSON, in both of their forms, as cases.

The *case* form (exports of about 2018) has ``case_id``, ``features`` (HPO ids), ``selected_syndromes`` and
``genomic_entries`` at the top; the entries may be numbers of files in a folder ``genomics_entries`` beside the file or
beside its folder. The *lab* form has the same under ``case_data``, with features that are present or absent and
syndromes one level deeper.

What the clinician recorded comes in: features, selected syndromes and how sure they are, selected genes, sequence
variants with an HGVS description. What a program suggested does not: ranks and scores are evidence, not facts about the
patient. Who sent the case is not taken over. Fields whose meaning is not public are named and left out.

Source: there is no specification by the maker; the fields are those that PEDIA-workflow reads and describes
(github.com/PEDIA-Charite/PEDIA-workflow, doc/new_json.md) and those of the PEDIA service's description.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from deciface.cases import Case, Diagnosis, Patient, Sex
from deciface.cases.sexes import parse_sex
from deciface.errors import InputError, TableError
from deciface.formats.exchange import ReadCases
from deciface.formats.face2gene_facts import identifier, read_features, read_selected_syndromes
from deciface.formats.face2gene_genomics import read_genomic_entries
from deciface.formats.json_text import JsonRecord, first_bytes, read_json
from deciface.formats.phenopackets_shape import Record, below, shown
from deciface.formats.text import Problem

PEDIA_KEYS = ("geneList", "genomicData", "ranks", "processing")
"""A file with one of these is PEDIA's own (`deciface.formats.pedia_json`)."""
SCORES = (
    *("detected_syndromes", "suggested_syndromes", "dismissed_syndromes", "suggested_genes", "geneList", "ranks"),
    *("processing", "algo_version", "algo_deploy_version"),
)
SENDERS = ("submitter", "posting_user", "shared_by_display_name", "team", "lab_info", "lab_id", "documents", "vcf")
SNIFFED_BYTES = 4 * 2**20
"""Hundreds of scored syndromes and genes may stand before the keys that tell the forms apart."""
_TAKEN_OUTSIDE = ("case_data", "f2g_case_id", "lab_case_id", "case_id")
_TAKEN = (
    *("case_id", "lab_case_id", "f2g_case_id", "features", "selected_features", "selected_syndromes"),
    *("selected_genes", "genomic_entries", "gender"),
)


class Face2GeneImporter:
    """Reads one case file, an array of cases, one case a line, or a folder of case files."""

    name = "face2gene"

    def sniff(self, path: Path) -> bool:
        """Whether a file, or the first file of a folder, has the keys of one of the two forms."""
        return any(_is_face2gene(first_bytes(file, SNIFFED_BYTES)) for file in json_files(path)[:1])

    def read(self, path: Path) -> ReadCases:
        """Read a file or folder; a file of a folder that cannot be read is a problem, the others are read.

        Raises
        ------
        InputError
            The file cannot be read at all, or the folder has no JSON files.
        """
        return read_case_files(path, _read_case)


def _is_face2gene(head: bytes) -> bool:
    has_case = b'"case_data"' in head or (b'"case_id"' in head and b'"features"' in head)
    return has_case and not any(f'"{key}"'.encode() in head for key in PEDIA_KEYS)


def json_files(path: Path) -> list[Path]:
    """The file itself, or the JSON files of a folder in order; empty when there are none."""
    try:
        return sorted(path.glob("*.json")) if path.is_dir() else [path]
    except (OSError, ValueError):
        return []


def read_case_files(path: Path, read_one: Callable[[dict[str, Any], Record, Path], Case | None]) -> ReadCases:
    """Read every record of a file or folder; what cannot be read is told, the others come in.

    Raises
    ------
    InputError
        The file cannot be read at all, or the folder has no JSON files.
    """
    files = json_files(path)
    if not files:
        raise InputError(f"'{path}' has no JSON files; give a case file or a folder of them")
    problems: list[Problem] = []
    cases: dict[str, tuple[int, Case]] = {}
    for file in files:
        for record in _records(file, problems, is_only=not path.is_dir()):
            said = Record(record.file, record.row)
            if not isinstance(record.value, dict):
                said.tell("", f"dropped: {shown(record.value)} is no case; an object is needed")
            elif (case := read_one(record.value, said, file)) and case.id in cases:
                said.tell("case_id", f"dropped: {shown(case.id)} came before already; keep one")
            elif case:
                cases[case.id] = record.row, case
            problems.extend(said.problems)
    return ReadCases(tuple(cases.values()), tuple(problems))


def _records(file: Path, problems: list[Problem], *, is_only: bool) -> tuple[JsonRecord, ...]:
    try:
        found = read_json(file)
    except TableError as error:
        if is_only:
            raise
        message = str(error).removeprefix(f"{file.name}: ").removeprefix(f"{file.name}, row {error.row}: ")
        problems.append(Problem(file.name, error.row or 1, "", f"dropped: {message}"))
        return ()
    problems.extend(found.problems)
    return found.records


def _read_case(record: dict[str, Any], said: Record, file: Path) -> Case | None:
    is_lab_form = "case_data" in record
    data, path = (said.object(record, "case_data", ""), "case_data") if is_lab_form else (record, "")
    case_id = identifier(record, "f2g_case_id", said, "") or identifier(data, "case_id", said, path)
    case_id = case_id or identifier(record, "case_id", said, "")
    if not case_id:
        said.tell(below(path, "case_id"), "dropped: the case has no id; give it one")
        return None
    patient = Patient(case_id, read_gender(data, said, path))
    diagnoses = _with_genes(read_selected_syndromes(data, said, path), _selected_genes(data, said, path), said, path)
    lab_case = identifier(record, "lab_case_id", said, "")
    case = Case(
        patient,
        diagnoses,
        read_features(data, "selected_features" if is_lab_form else "features", said, path),
        read_genomic_entries(data, said, path, file),
        other_ids=(f"Face2Gene lab case:{lab_case}",) if lab_case else (),
        as_written=tuple(said.as_written),
    )
    tell_left_out(record, said, _TAKEN_OUTSIDE if is_lab_form else _TAKEN, data if is_lab_form else {}, _TAKEN)
    return case


def read_gender(data: dict[str, Any], said: Record, path: str) -> Sex:
    """Sex under ``gender``, unknown when it is not understood, which is told."""
    written = said.text(data, "gender", path)
    sex = parse_sex(written)
    if sex is None:
        said.tell(below(path, "gender"), f"{shown(written)} is not known, taken as unknown")
        said.keep(below(path, "gender"), written)
    return sex or Sex.UNKNOWN


def _selected_genes(data: dict[str, Any], said: Record, path: str) -> tuple[str, ...]:
    genes = (said.text(gene, "gene_name", place) for place, gene in said.objects(data, "selected_genes", path))
    return tuple(dict.fromkeys(gene for gene in genes if gene))


def _with_genes(
    diagnoses: tuple[Diagnosis, ...], genes: tuple[str, ...], said: Record, path: str
) -> tuple[Diagnosis, ...]:
    if not genes:
        return diagnoses
    if len(diagnoses) == 1:
        (diagnosis,) = diagnoses
        return (Diagnosis(diagnosis.disorder, genes, diagnosis.status),)
    why = f"because {len(diagnoses)} syndromes are selected; name the genes of each"
    said.tell(below(path, "selected_genes"), f"{shown(', '.join(genes))} is left out, {why}")
    said.keep(below(path, "selected_genes"), ", ".join(genes))
    return diagnoses


def tell_left_out(
    record: dict[str, Any], said: Record, taken: Collection[str], inner: dict[str, Any], taken_inside: Collection[str]
) -> None:
    """Name what was not taken over, one line for each reason: another program's scores, senders, unknown meaning."""
    given = {key for key, value in record.items() if value not in (None, "", [], {}) and key not in taken}
    given |= {key for key, value in inner.items() if value not in (None, "", [], {}) and key not in taken_inside}
    for names, reason in (
        (SCORES, "what programs computed is evidence, not a fact about the patient"),
        (SENDERS, "who sent the case, and their documents, are no part of it"),
    ):
        if found := sorted(given.intersection(names)):
            said.tell("", f"not taken over, {reason}: {', '.join(found)}")
        given.difference_update(names)
    if given:
        said.tell("", f"not taken over, the meaning is not public: {shown(', '.join(sorted(given)))}")
