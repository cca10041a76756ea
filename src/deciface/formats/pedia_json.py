"""PEDIA's case files as JSON, as cases: what is known about the patient, not what the programs computed.

PEDIA adds ``geneList`` (a score of every program for every gene), ``ranks``, ``processing`` and ``genomicData`` to a
case of Face2Gene. Features, selected syndromes and the variants of ``genomicData`` come in. The scores are evidence:
they are weighed in a diagnosis, they are no facts about a patient and have no place in a case, so that they are named
and left out, as is who sent the case.

Source: the field list of PEDIA-workflow (github.com/PEDIA-Charite/PEDIA-workflow); Hsieh et al., Genet Med
2019;21:2807.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from deciface.cases import Case, Patient, Variant
from deciface.cases.identifiers import hgvs
from deciface.formats.exchange import ReadCases
from deciface.formats.face2gene_facts import identifier, read_features, read_selected_syndromes
from deciface.formats.face2gene_genomics import read_genomic_entries, read_zygosity
from deciface.formats.face2gene_json import (
    PEDIA_KEYS,
    SNIFFED_BYTES,
    json_files,
    read_case_files,
    read_gender,
    tell_left_out,
)
from deciface.formats.json_text import first_bytes
from deciface.formats.phenopackets_shape import Record, below, shown

_TAKEN = ("case_id", "features", "selected_syndromes", "genomicData", "genomic_entries", "gender")


class PediaImporter:
    """Reads one case file, an array of cases, one case a line, or a folder of case files."""

    name = "pedia"

    def sniff(self, path: Path) -> bool:
        """Whether a file, or the first file of a folder, has a key that only PEDIA's files have."""
        heads = (first_bytes(file, SNIFFED_BYTES) for file in json_files(path)[:1])
        return any(f'"{key}"'.encode() in head for head in heads for key in PEDIA_KEYS)

    def read(self, path: Path) -> ReadCases:
        """Read a file or folder; a file of a folder that cannot be read is a problem, the others are read.

        Raises
        ------
        InputError
            The file cannot be read at all, or the folder has no JSON files.
        """
        return read_case_files(path, _read_case)


def _read_case(record: dict[str, Any], said: Record, file: Path) -> Case | None:
    case_id = identifier(record, "case_id", said, "")
    if not case_id:
        said.tell("case_id", "dropped: the case has no id; give it one")
        return None
    patient = Patient(case_id, read_gender(record, said, ""))
    diagnoses = read_selected_syndromes(record, said, "")
    features = read_features(record, "features", said, "")
    variants = _variants(record, said)
    if not variants:
        # genomicData was made of the entries, so these are looked up only where it is missing
        variants = read_genomic_entries(record, said, "", file)
    tell_left_out(record, said, _TAKEN, {}, ())
    return Case(patient, diagnoses, features, variants, as_written=tuple(said.as_written))


def _variants(record: dict[str, Any], said: Record) -> tuple[Variant, ...]:
    found: list[Variant] = []
    for place, entry in said.objects(record, "genomicData", ""):
        test = said.object(entry, "Test Information", place)
        mutations = said.object(entry, "Mutations", place)
        gene = said.text(test, "Gene Name", below(place, "Test Information"))
        build = said.text(mutations, "Build", below(place, "Mutations"))
        zygosity = read_zygosity(test.get("Genotype"), said, below(place, "Genotype"))
        descriptions = _descriptions(mutations)
        if not descriptions:
            said.tell(place, "no variant with an HGVS description; add it by hand")
        for key, written in descriptions:
            where = below(below(place, "Mutations"), key)
            description = hgvs(written)
            if description is None:
                said.tell(where, f"{shown(written)} is left out; it is no HGVS description")
                said.keep(where, written)
                continue
            # the build is that of genomic descriptions; a coding one has its transcript
            assembly = build if re.search(r"(?:^|:)g\.", description) else ""
            found.append(Variant(gene, hgvs=(description,), assembly=assembly, zygosity=zygosity))
    return tuple(dict.fromkeys(found))


def _descriptions(mutations: dict[str, Any]) -> list[tuple[str, str]]:
    """Key and text of every description: of the mutation itself, and of the two of compound heterozygotes."""
    found = []
    for key in ("HGVS-code", "Mutation 1", "Mutation 2"):
        value = mutations.get(key)
        text = value.get("HGVS-code") if isinstance(value, dict) else value
        if isinstance(text, str):
            found += [(key, part.strip()) for part in text.split(", ") if part.strip()]
    return found
