"""One case as a phenopacket: plain JSON values in the order of the schema.

What a phenopacket says follows `deciface.formats.phenopackets_genomics`, so that reading it gives the case back as far
as Phenopackets v2 can hold it: a molecularly confirmed diagnosis is SOLVED, a clinical one COMPLETED, a suspected one
IN_PROGRESS and not among the diseases. A variant stands under the first diagnosis that names its gene, else under the
first diagnosis. Simulated people are named so in ``createdBy``.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from deciface.cases import (
    NOT_STATED,
    SIMULATED,
    Case,
    Diagnosis,
    DiagnosisStatus,
    Phenotype,
    Photo,
    PhotoSource,
    PhotoView,
    Scope,
    TermState,
    Variant,
    VitalStatus,
    Zygosity,
)
from deciface.cases.ages import iso_of_years
from deciface.formats.phenopackets_terms import ACMG, LABELS, RESOURCES, SCHEMA_VERSION, SEXES, VITAL, ZYGOSITIES

_SEX_WORDS = {sex: word for word, sex in SEXES.items()}
_VITAL_WORDS = {status: word for word, status in VITAL.items()}
_ZYGOSITY_IDS = {zygosity: term for term, zygosity in reversed(ZYGOSITIES.items())}
_PROGRESS = {
    DiagnosisStatus.MOLECULAR: "SOLVED",
    DiagnosisStatus.CLINICAL: "COMPLETED",
    DiagnosisStatus.SUSPECTED: "IN_PROGRESS",
}
_GESTATION = re.compile(r"(\d{1,2})w(\d)d")
_SYNTAX = re.compile(r"(?:^|:)([cgmnrp])\.")


def packet_of(case: Case, *, created: dt.datetime, created_by: str, versions: Mapping[str, str] = {}) -> dict[str, Any]:
    """Make the phenopacket of a case.

    Parameters
    ----------
    case
        The case; states other than present and excluded have no word in Phenopackets and are left to the sidecar.
    created
        Time of writing, with its time zone.
    created_by
        Who writes.
    versions
        Releases of vocabularies by prefix, e.g. ``{"HP": "2025-03-03"}``, as far as they are known.
    """
    subject = {
        "id": case.id,
        "alternateIds": list(case.other_ids),
        "timeAtLastEncounter": _time(case.last_seen_age),
        "vitalStatus": None
        if case.vital_status is VitalStatus.UNKNOWN
        else {"status": _VITAL_WORDS[case.vital_status]},
        "sex": _SEX_WORDS[case.patient.sex],
        "taxonomy": {"id": "NCBITaxon:9606", "label": "Homo sapiens"},
    }
    content = {
        "id": case.id,
        "subject": _filled(subject),
        "phenotypicFeatures": [_feature(p) for p in case.phenotypes if p.state is not TermState.NOT_ASSESSED],
        "diseases": [_disease(d) for d in case.diagnoses if d.status is not DiagnosisStatus.SUSPECTED],
        "interpretations": _interpretations(case),
        "files": [_file(case, photo, created.date()) for photo in case.photos],
    }
    packet = _filled(content)
    packet["metaData"] = _filled(
        {
            "created": created.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "createdBy": f"{created_by} ({SIMULATED})" if case.patient.simulated else created_by,
            "resources": _resources(packet, case.references, versions),
            "phenopacketSchemaVersion": SCHEMA_VERSION,
            "externalReferences": [{"id": reference} for reference in case.references],
        }
    )
    return packet


def _filled(content: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is empty, as protobuf's JSON does."""
    return {key: value for key, value in content.items() if value not in (None, "", [], {})}


def _named(term: str) -> dict[str, Any]:
    return _filled({"id": term, "label": LABELS.get(term)})


def _time(when: str | None) -> dict[str, Any] | None:
    if when is None:
        return None
    if gestation := _GESTATION.fullmatch(when):
        return {"gestationalAge": {"weeks": int(gestation[1]), "days": int(gestation[2])}}
    if when.startswith("HP:"):
        return {"ontologyClass": _named(when)}
    return {"age": {"iso8601duration": when}} if when.startswith("P") else None


def _feature(phenotype: Phenotype) -> dict[str, Any]:
    return _filled(
        {
            "type": _filled({"id": phenotype.term, "label": phenotype.label}),
            "excluded": phenotype.state is TermState.EXCLUDED or None,
            "severity": _named(phenotype.severity) if phenotype.severity else None,
            "modifiers": [_named(modifier) for modifier in phenotype.modifiers],
            "onset": _time(phenotype.onset),
        }
    )


def _term(diagnosis: Diagnosis) -> dict[str, Any]:
    return _filled({"id": diagnosis.disorder.id, "label": diagnosis.disorder.name})


def _disease(diagnosis: Diagnosis) -> dict[str, Any]:
    return _filled({"term": _term(diagnosis), "onset": _time(diagnosis.onset)})


def _interpretations(case: Case) -> list[dict[str, Any]]:
    """Interpret each diagnosis that has genes or variants, or that is only suspected."""
    gene_ids = {variant.gene: variant.gene_id for variant in case.variants if variant.gene_id}
    found = []
    for i, diagnosis in enumerate(case.diagnoses):
        status = "CAUSATIVE" if diagnosis.status is DiagnosisStatus.MOLECULAR else "UNKNOWN_STATUS"
        about = {"subjectOrBiosampleId": case.id, "interpretationStatus": status}
        mine = [(n, v) for n, v in enumerate(case.variants, 1) if _diagnosis_of(v, case.diagnoses) == i]
        genomic: list[dict[str, Any]] = [
            {**about, "variantInterpretation": _variant(v, f"{case.id}-{n}")} for n, v in mine
        ]
        genomic += [
            {**about, "gene": _filled({"valueId": gene_ids.get(gene), "symbol": gene})}
            for gene in diagnosis.genes
            if gene not in {v.gene for _, v in mine}
        ]
        if genomic or diagnosis.status is not DiagnosisStatus.CLINICAL:
            made = _filled({"disease": _term(diagnosis), "genomicInterpretations": genomic})
            progress = _PROGRESS[diagnosis.status]
            found.append({"id": f"{case.id}-{i + 1}", "progressStatus": progress, "diagnosis": made})
    return found


def _diagnosis_of(variant: Variant, diagnoses: Sequence[Diagnosis]) -> int:
    return next((i for i, diagnosis in enumerate(diagnoses) if variant.gene in diagnosis.genes), 0)


def _variant(variant: Variant, variant_id: str) -> dict[str, Any]:
    zygosity = variant.zygosity if variant.zygosity in _ZYGOSITY_IDS else Zygosity.UNKNOWN
    state = {"id": _ZYGOSITY_IDS[zygosity], "label": str(zygosity)} if zygosity in _ZYGOSITY_IDS else None
    described = {
        "id": variant_id,
        "label": variant.label,
        "geneContext": _filled({"valueId": variant.gene_id, "symbol": variant.gene}),
        "expressions": [_expression(description) for description in variant.hgvs],
        "vcfRecord": _filled(
            {
                "genomeAssembly": variant.assembly,
                "chrom": variant.chromosome,
                "pos": variant.position if variant.position is not None and 0 < variant.position < 2**63 else None,
                "ref": variant.ref,
                "alt": variant.alt,
            }
        ),
        "moleculeContext": "genomic",
        "structuralType": _named(variant.structural_type) if variant.structural_type else None,
        "allelicState": state,
    }
    acmg = variant.acmg if variant.acmg in ACMG else None
    return _filled({"acmgPathogenicityClassification": acmg, "variationDescriptor": _filled(described)})


def _expression(description: str) -> dict[str, Any]:
    kind = _SYNTAX.search(description)
    return {"syntax": f"hgvs.{kind[1]}" if kind else "hgvs", "value": description}


def _file(case: Case, photo: Photo, on: dt.date) -> dict[str, Any]:
    """Describe a photo; ``consentScope`` lists what holds on the day of writing, but sharing, which names a site."""
    scopes = [c.scope for c in case.consents if c.holds(on) and c.scope is not Scope.SHARING]
    attributes = {
        "ageAtPhoto": None if photo.age_years is None else iso_of_years(photo.age_years),
        "view": None if photo.view is PhotoView.UNKNOWN else str(photo.view),
        "sha256": None if photo.sha256 == NOT_STATED else photo.sha256,
        "consentScope": "; ".join(dict.fromkeys(scopes)),
        "source": None if photo.source is PhotoSource.UNKNOWN else str(photo.source),
        "fileFormat": "image",
    }
    return {
        "uri": quote(photo.file_name or photo.id),
        "individualToFileIdentifiers": {case.id: photo.id},
        "fileAttributes": _filled(attributes),
    }


def _resources(
    packet: Mapping[str, Any], references: Sequence[str], versions: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Describe the vocabularies whose prefixes the phenopacket uses, with releases that are known."""
    used = {reference.split(":")[0] for reference in references} | set(_prefixes(packet))
    return [
        _filled(
            {
                "id": i,
                "name": name,
                "url": url,
                "version": versions.get(prefix),
                "namespacePrefix": prefix,
                "iriPrefix": iri,
            }
        )
        for prefix, (i, name, url, iri) in RESOURCES.items()
        if prefix in used
    ]


def _prefixes(value: object) -> set[str]:
    found: set[str] = set()
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            found |= {str(item[key]).split(":")[0] for key in ("id", "valueId") if key in item}
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return found
