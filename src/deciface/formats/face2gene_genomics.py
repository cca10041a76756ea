"""Genomic entries of Face2Gene's case files, as variants."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from deciface.cases import Variant, Zygosity
from deciface.cases.identifiers import hgvs
from deciface.errors import TableError
from deciface.formats.json_text import read_json
from deciface.formats.phenopackets_shape import Record, below, shown

_FOLDER = "genomics_entries"
_LARGEST_ENTRY_BYTES = 2**20
_NOTHING_FOUND = ("NORMAL", "NORMAL_FEMALE", "NORMAL_MALE", "NO_SIGNIFICANT_VARIANTS")
_ZYGOSITIES = {
    "HETEROZYGOUS": Zygosity.HETEROZYGOUS,
    # two alleles that differ, each of them on one copy
    "COMPOUND_HETEROZYGOUS": Zygosity.HETEROZYGOUS,
    "COMPOUND HETEROZYGOUS": Zygosity.HETEROZYGOUS,
    "HOMOZYGOUS": Zygosity.HOMOZYGOUS,
    "HEMIZYGOUS": Zygosity.HEMIZYGOUS,
}
_LEVELS = {"CDNA_LEVEL": "c", "GENOMIC_DNA_LEVEL": "g"}
_ENTRY_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_zygosity(written: object, said: Record, place: str) -> Zygosity:
    """Zygosity in Face2Gene's words; unknown when it is not one of them, which is told."""
    zygosity = _ZYGOSITIES.get(str(written).upper())
    if zygosity is None and written not in (None, "", "UNKNOWN"):
        said.tell(place, f"{shown(written)} is not known, taken as unknown; allowed are {', '.join(_ZYGOSITIES)}")
        said.keep(place, written)
    return zygosity or Zygosity.UNKNOWN


def read_genomic_entries(data: dict[str, Any], said: Record, path: str, file: Path) -> tuple[Variant, ...]:
    """Variants of the entries of a case; an entry that is a number is looked for in the folder of entries.

    Descriptions in HGVS come in, and substitutions given as transcript, position and bases; anything else (arrays,
    karyotypes, mutations in free words) is told. Tests that found nothing give no variant.
    """
    entries = data.get("genomic_entries")
    place = below(path, "genomic_entries")
    if entries is not None and not isinstance(entries, list):
        said.tell(place, f"{shown(entries)} is left out; an array is needed here")
        return ()
    found: list[Variant] = []
    for i, entry in enumerate(entries or ()):
        where = f"{place}[{i}]"
        content = entry if isinstance(entry, dict) else _linked_entry(entry, said, where, file)
        if content is not None and content.get("result") not in _NOTHING_FOUND:
            found += _entry_variants(content, said, where)
    return tuple(dict.fromkeys(found))


def _linked_entry(entry: object, said: Record, place: str, file: Path) -> dict[str, Any] | None:
    if _ENTRY_NAME.fullmatch(str(entry)):
        for folder in (file.parent / _FOLDER, file.parent.parent / _FOLDER):
            path = folder / f"{entry}.json"
            if path.is_file():
                return _entry_file(path, said, place)
    said.tell(
        place, f"left out: there is no {_FOLDER}/{shown(entry).strip(chr(39))}.json beside the file or its folder"
    )
    said.keep(place, entry)
    return None


def _entry_file(path: Path, said: Record, place: str) -> dict[str, Any] | None:
    try:
        records = read_json(path, largest_bytes=_LARGEST_ENTRY_BYTES).records
    except TableError as error:
        said.tell(place, f"left out: {error}")
        return None
    if len(records) == 1 and isinstance(records[0].value, dict):
        return records[0].value
    said.tell(place, f"left out: {path.name} holds {len(records)} records; one object is needed")
    return None


def _entry_variants(entry: dict[str, Any], said: Record, place: str) -> list[Variant]:
    gene = _gene(entry, said, place)
    described = entry.get("variants")
    items = described if isinstance(described, list) else [described] if isinstance(described, dict) else []
    found: list[Variant] = []
    for i, item in enumerate(items):
        where = f"{below(place, 'variants')}[{i}]" if isinstance(described, list) else below(place, "variants")
        if isinstance(item, dict):
            found += _variants(item, _gene(item, said, where) or gene, said, where)
    if not found:
        said.tell(place, f"no variant with an HGVS description in this {shown(entry.get('test_type'))}; add it by hand")
    return found


def _gene(parent: dict[str, Any], said: Record, place: str) -> str:
    # an empty text stands for no gene
    return said.text(said.object(parent, "gene", place), "gene_symbol", place) if parent.get("gene") else ""


def _variants(item: dict[str, Any], gene: str, said: Record, place: str) -> list[Variant]:
    zygosity = read_zygosity(item.get("zygosity"), said, below(place, "zygosity"))
    level = _LEVELS.get(str(item.get("variant_information")), "")
    found: list[Variant] = []
    mutations = [item[key] for key in ("mutation", "mutation1", "mutation2") if isinstance(item.get(key), dict)]
    for mutation in mutations:
        description = _description(mutation, level)
        if description:
            found.append(Variant(gene, hgvs=(description,), zygosity=zygosity, acmg=_acmg(mutation)))
    written = item.get("hgvs_variant_description")
    if written:
        description = hgvs(str(written))
        if description is None:
            said.tell(
                below(place, "hgvs_variant_description"), f"{shown(written)} is left out; it is no HGVS description"
            )
            said.keep(below(place, "hgvs_variant_description"), written)
        elif not any(description in variant.hgvs for variant in found):
            acmg = _acmg(mutations[0]) if len(mutations) == 1 else ""
            found.append(Variant(gene, hgvs=(description,), zygosity=zygosity, acmg=acmg))
    return found


def _acmg(mutation: dict[str, Any]) -> str:
    written = mutation.get("interpretation")
    return written.strip() if isinstance(written, str) else ""


def _description(mutation: dict[str, Any], level: str) -> str | None:
    """HGVS of a mutation: its transcript field when that is one, or a substitution put together of its parts."""
    transcript = str(mutation.get("transcript") or "")
    if whole := hgvs(transcript) if ":" in transcript else None:
        return whole
    parts = (mutation.get("location"), mutation.get("original_base"), mutation.get("substituted_base"))
    if level and transcript and mutation.get("mutation_type") == "SUBSTITUTION" and all(parts):
        location, original, substituted = parts
        return hgvs(f"{transcript}:{level}.{location}{original}>{substituted}")
    return None
