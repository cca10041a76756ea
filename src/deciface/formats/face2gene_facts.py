"""What both forms of Face2Gene's case files, and PEDIA's, say in the same way: ids, features, selected syndromes."""

from __future__ import annotations

from typing import Any

from deciface.cases import Diagnosis, DiagnosisStatus, Disorder, Phenotype, TermState
from deciface.cases.identifiers import disorder_id, hpo_id
from deciface.formats.phenopackets_shape import Record, below, shown

_STATUSES = {
    "MOLECULARLY_DIAGNOSED": DiagnosisStatus.MOLECULAR,
    "CLINICALLY_DIAGNOSED": DiagnosisStatus.CLINICAL,
    "DIFFERENTIAL_DIAGNOSIS": DiagnosisStatus.SUSPECTED,
}
_STATES = {"1": TermState.PRESENT, "0": TermState.EXCLUDED, "True": TermState.PRESENT, "False": TermState.EXCLUDED}


def identifier(parent: dict[str, Any], key: str, said: Record, path: str) -> str:
    """An id, written as text or as a whole number; empty when it is not there or cannot be one, which is told."""
    value = parent.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.strip().isprintable():
        return value.strip()
    if value is not None:
        said.tell(below(path, key), f"{shown(value)} is left out; an id of printable characters is needed here")
    return ""


def read_features(data: dict[str, Any], key: str, said: Record, path: str) -> tuple[Phenotype, ...]:
    """Features, as HPO ids (present) or as objects with ``is_present``; others are told and kept as written."""
    items = data.get(key)
    if items is not None and not isinstance(items, list):
        said.tell(below(path, key), f"{shown(items)} is left out; an array is needed here")
        return ()
    found: dict[str, Phenotype] = {}
    for i, item in enumerate(items or ()):
        place = f"{below(path, key)}[{i}]"
        feature = _lab_feature(item, said, place) if isinstance(item, dict) else _plain_feature(item, said, place)
        if feature is None:
            continue
        earlier = found.setdefault(feature.term, feature)
        if earlier.state is not feature.state:
            said.tell(place, f"{feature.term} is both {earlier.state} and {feature.state}, taken as {earlier.state}")
    return tuple(found.values())


def _plain_feature(item: object, said: Record, place: str) -> Phenotype | None:
    term = hpo_id(item) if isinstance(item, str) else None
    if term is None:
        said.tell(place, f"{shown(item)} is not an HPO id, kept as written; write e.g. HP:0000316")
        said.keep(place, item)
        return None
    if term != item:
        said.keep(place, item)
    return Phenotype(term)


def _lab_feature(item: dict[str, Any], said: Record, place: str) -> Phenotype | None:
    feature = said.object(item, "feature", place)
    name = said.text(feature, "feature_name", below(place, "feature"))
    written = feature.get("hpo_full_id") or feature.get("hpo_id") or ""
    # "316" stands beside "HP:0000316" as hpo_id
    term = hpo_id(f"HP:{written:0>7}") if str(written).isdecimal() else hpo_id(str(written))
    if term is None:
        said.tell(place, f"{shown(written or name)} is not an HPO id, kept as written; write e.g. HP:0000316")
        said.keep(place, written or name)
        return None
    if "is_present" not in item:
        said.tell(place, f"{term}: whether it is present is not stated, taken as not assessed")
        return Phenotype(term, TermState.NOT_ASSESSED, label=name)
    state = _STATES.get(str(item["is_present"]))
    if state is None:
        said.tell(below(place, "is_present"), f"{shown(item['is_present'])} is not known, taken as not assessed")
        said.keep(below(place, "is_present"), item["is_present"])
    return Phenotype(term, state or TermState.NOT_ASSESSED, label=name)


def read_selected_syndromes(data: dict[str, Any], said: Record, path: str) -> tuple[Diagnosis, ...]:
    """The syndromes that the clinician selected, as diagnoses.

    Molecularly and clinically diagnosed are taken as such, a differential diagnosis as suspected, and a selection
    without a word on it as clinical, which is told. A group that has an OMIM phenotypic series has the series' id; a
    group of several OMIM numbers without one stays under its name, because which of them is meant is not stated.
    """
    found: dict[str, Diagnosis] = {}
    for place, entry in said.objects(data, "selected_syndromes", path):
        syndrome, inner = (entry, place)
        if "syndrome" in entry:
            syndrome, inner = said.object(entry, "syndrome", place), below(place, "syndrome")
        name = said.text(syndrome, "syndrome_name", inner)
        id_ = _syndrome_id(syndrome, name, said, inner)
        if id_ is None:
            said.tell(inner, "dropped: the syndrome has neither an OMIM number nor a name")
            continue
        status = _status(entry, said, place)
        found.setdefault(id_, Diagnosis(Disorder(id_, name or id_), (), status))
    return tuple(found.values())


def _status(entry: dict[str, Any], said: Record, place: str) -> DiagnosisStatus:
    written = entry.get("diagnosis")
    status = _STATUSES.get(str(written))
    if status is None and written in (None, ""):
        said.tell(place, "how sure the diagnosis is is not stated, taken as clinical; correct it")
    elif status is None:
        said.tell(below(place, "diagnosis"), f"{shown(written)} is not known, taken as clinical; correct it")
        said.keep(below(place, "diagnosis"), written)
    return status or DiagnosisStatus.CLINICAL


def _syndrome_id(syndrome: dict[str, Any], name: str, said: Record, place: str) -> str | None:
    series = disorder_id(str(syndrome.get("omim_ps_id") or ""))
    own = _omim_ids(syndrome.get("omim_id"))
    if series and (syndrome.get("is_group") or not own):
        return series
    numbers = own or _omim_ids(syndrome.get("omim_ids"))
    if len(numbers) == 1:
        return numbers[0]
    if not name:
        return None
    if numbers:
        said.tell(
            place,
            f"{shown(name)} stands for {len(numbers)} OMIM numbers, kept under its name; give the one that is meant",
        )
        said.keep(below(place, "omim_id"), ", ".join(numbers))
    return f"Face2Gene:{name}"


def _omim_ids(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    found = (disorder_id(str(item)) for item in items if isinstance(item, int | str) and not isinstance(item, bool))
    return tuple(dict.fromkeys(id_ for id_ in found if id_))
