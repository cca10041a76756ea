"""Diseases and interpretations of a phenopacket as diagnoses and variants, joined by the disease's id.

How sure a diagnosis is:

* molecularly confirmed, when an interpretation with progress SOLVED has a variant that is CAUSATIVE and classified
  pathogenic or likely pathogenic (ACMG);
* else clinical, when it stands among the diseases or its interpretation is SOLVED;
* else suspected.

A disease that was ruled out is no diagnosis, and a variant whose interpretation is REJECTED is no reported variant;
both are left out and told. Ids of variants and interpretations, the molecule context and therapeutic actionability are
not taken over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from deciface.cases import Diagnosis, DiagnosisStatus, Disorder, Variant, Zygosity
from deciface.cases.identifiers import disorder_id, hgvs
from deciface.formats.phenopackets_shape import Record, below, shown
from deciface.formats.phenopackets_terms import CAUSING, ZYGOSITIES

_CURIE = re.compile(r"[A-Za-z][A-Za-z0-9_.]*:\S+")
_PLAIN_STATUS = ("", "CAUSATIVE", "UNKNOWN_STATUS")
_NO_CLASS = ("", "NOT_PROVIDED")


@dataclass
class _Disease:
    """What has been said about one disease so far."""

    disorder: Disorder
    listed: bool
    onset: str | None = None
    solved: bool = False
    confirmed: bool = False
    genes: list[str] = field(default_factory=list)

    def diagnosis(self) -> Diagnosis:
        status = DiagnosisStatus.SUSPECTED
        if self.confirmed:
            status = DiagnosisStatus.MOLECULAR
        elif self.listed or self.solved:
            status = DiagnosisStatus.CLINICAL
        return Diagnosis(self.disorder, tuple(dict.fromkeys(self.genes)), status, onset=self.onset)


def read_genomics(record: Record, packet: dict[str, Any]) -> tuple[tuple[Diagnosis, ...], tuple[Variant, ...]]:
    """Read the diagnoses and variants of a phenopacket."""
    diseases: dict[str, _Disease] = {}
    for path, value in record.objects(packet, "diseases", ""):
        _read_disease(record, value, path, diseases)
    variants: list[Variant] = []
    for path, value in record.objects(packet, "interpretations", ""):
        _read_interpretation(record, value, path, diseases, variants)
    return tuple(disease.diagnosis() for disease in diseases.values()), tuple(variants)


def _read_disease(record: Record, value: dict[str, Any], path: str, diseases: dict[str, _Disease]) -> None:
    record.left_over(value, path, ("term", "excluded", "onset"))
    disorder = _disorder(record, record.object(value, "term", path), below(path, "term"))
    if disorder is None:
        return
    if record.flag(value, "excluded", path):
        record.tell(path, f"{disorder.id} was ruled out and is left out; a case has the diagnoses that were made")
        record.keep(below(path, "excluded"), disorder.id)
        return
    if disorder.id in diseases:
        record.tell(path, f"{disorder.id} stands among the diseases already; the first is taken, delete one")
        return
    diseases[disorder.id] = _Disease(disorder, listed=True, onset=record.time(value, "onset", path))


def _disorder(record: Record, term: dict[str, Any], path: str) -> Disorder | None:
    written, label = record.text(term, "id", path), record.text(term, "label", path)
    if not written:
        beside = f" beside {shown(label)}" if label else ""
        record.tell(path, f"left out: a disease without id{beside}; give one, e.g. OMIM:148600 or MONDO:0007254")
        if label:
            record.keep(below(path, "label"), label)
        return None
    known = disorder_id(written)
    if known is None and (swapped := disorder_id(label)) is not None and not _CURIE.fullmatch(written):
        record.tell(path, f"id {shown(written)} and label {shown(label)} changed places, read as meant; correct them")
        record.keep(below(path, "id"), written)
        record.keep(below(path, "label"), label)
        return Disorder(swapped, written)
    if known is None and not _CURIE.fullmatch(written):
        record.tell(
            below(path, "id"), f"{shown(written)} has no form such as OMIM:148600; taken as it stands, check it"
        )
    if known is not None and known != written:
        record.keep(below(path, "id"), written)
    return Disorder(known or written, label or known or written)


def _read_interpretation(
    record: Record, value: dict[str, Any], path: str, diseases: dict[str, _Disease], variants: list[Variant]
) -> None:
    record.left_over(value, path, ("id", "progressStatus", "diagnosis"))
    made, place = record.object(value, "diagnosis", path), below(path, "diagnosis")
    record.left_over(made, place, ("disease", "genomicInterpretations"))
    disease = None
    disorder = _disorder(record, record.object(made, "disease", place), below(place, "disease"))
    if disorder is not None:
        disease = diseases.setdefault(disorder.id, _Disease(disorder, listed=False))
        if disorder.name not in (disease.disorder.name, disorder.id):
            message = f"{disorder.id} is called {shown(disease.disorder.name)} earlier, taken so; correct one"
            record.tell(below(place, "disease.label"), message)
            record.keep(below(place, "disease.label"), disorder.name)
    solved = record.text(value, "progressStatus", path) == "SOLVED"
    if disease is not None:
        disease.solved |= solved
    unclassified = False
    for at, item in record.objects(made, "genomicInterpretations", place):
        gene, variant, status = _genomic(record, item, at)
        if status == "REJECTED":
            record.tell(at, "left out: its interpretation is REJECTED; a case has reported variants only")
            continue
        if variant is not None:
            variants.append(variant)
        if disease is not None:
            disease.genes += [gene] if gene else []
            causes = solved and status == "CAUSATIVE" and variant is not None
            disease.confirmed |= causes and variant is not None and variant.acmg in CAUSING
            unclassified |= causes and variant is not None and variant.acmg in _NO_CLASS
    if disease is not None and unclassified and not disease.confirmed:
        record.tell(path, "solved, but no causative variant has an ACMG class; taken as a clinical diagnosis")


def _genomic(record: Record, item: dict[str, Any], path: str) -> tuple[str, Variant | None, str]:
    """Gene symbol, variant and status of a genomic interpretation, which names a gene or a variant."""
    record.left_over(item, path, ("subjectOrBiosampleId", "interpretationStatus", "gene", "variantInterpretation"))
    status = record.text(item, "interpretationStatus", path)
    if status not in (*_PLAIN_STATUS, "REJECTED"):
        record.keep(below(path, "interpretationStatus"), status)
    gene = record.text(record.object(item, "gene", path), "symbol", below(path, "gene"))
    interpreted, place = record.object(item, "variantInterpretation", path), below(path, "variantInterpretation")
    if not interpreted:
        return gene, None, status
    record.left_over(
        interpreted, place, ("acmgPathogenicityClassification", "therapeuticActionability", "variationDescriptor")
    )
    acmg = record.text(interpreted, "acmgPathogenicityClassification", place)
    described, at = record.object(interpreted, "variationDescriptor", place), below(place, "variationDescriptor")
    variant = _variant(record, described, at, "" if acmg in _NO_CLASS else acmg)
    if variant == Variant(acmg=variant.acmg):
        record.tell(at, "left out: a variant without gene, description or position; describe it")
        return gene, None, status
    return variant.gene or gene, variant, status


def _variant(record: Record, described: dict[str, Any], path: str, acmg: str) -> Variant:
    taken = ("id", "label", "moleculeContext", "geneContext", "expressions", "vcfRecord", "allelicState")
    record.left_over(described, path, (*taken, "structuralType"))
    context, vcf = record.object(described, "geneContext", path), record.object(described, "vcfRecord", path)
    at = below(path, "vcfRecord")
    record.left_over(vcf, at, ("genomeAssembly", "chrom", "pos", "ref", "alt"))
    structural = record.object(described, "structuralType", path)
    return Variant(
        gene=record.text(context, "symbol", below(path, "geneContext")),
        gene_id=record.text(context, "valueId", below(path, "geneContext")),
        hgvs=_descriptions(record, described, path),
        assembly=record.text(vcf, "genomeAssembly", at),
        chromosome=record.text(vcf, "chrom", at),
        position=record.whole_number(vcf, "pos", at) or None,
        ref=record.text(vcf, "ref", at),
        alt=record.text(vcf, "alt", at),
        zygosity=_zygosity(record, described, path),
        acmg=acmg,
        structural_type=record.text(structural, "id", below(path, "structuralType")),
        label=record.text(described, "label", path),
    )


def _descriptions(record: Record, described: dict[str, Any], path: str) -> tuple[str, ...]:
    """Read HGVS descriptions of the right shape; others are told and kept as written."""
    found = []
    for at, expression in record.objects(described, "expressions", path):
        syntax, value = record.text(expression, "syntax", at), record.text(expression, "value", at)
        if not syntax.startswith("hgvs"):
            record.keep(below(at, "value"), value)
            continue
        canonical = hgvs(value)
        if canonical != value:
            record.keep(below(at, "value"), value)
            read = f"read as {shown(canonical)}" if canonical else "left out"
            record.tell(below(at, "value"), f"{shown(value)} is no HGVS description, {read}; correct it")
        if canonical:
            found.append(canonical)
    return tuple(found)


def _zygosity(record: Record, described: dict[str, Any], path: str) -> Zygosity:
    state = record.object(described, "allelicState", path)
    if not state:
        return Zygosity.UNKNOWN
    place = below(path, "allelicState")
    written, label = record.text(state, "id", place), record.text(state, "label", place)
    try:
        return ZYGOSITIES.get(written) or Zygosity(label.casefold())
    except ValueError:
        record.tell(place, f"{shown(written or label)} is not known, taken as unknown; use e.g. GENO:0000135")
        record.keep(place, written or label)
        return Zygosity.UNKNOWN
