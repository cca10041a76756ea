"""What a phenopacket cannot hold, kept in a file beside it: ``NAME.deciface.json``.

Ancestry has no home in Phenopackets v2, nor have countries, consents, families, study participation, or what a source
wrote before it was normalised. The sidecar holds, by case id, the fields of a `Case` that a reader of the phenopacket
alone would not get back; fields that the phenopacket holds are not repeated. Names are those of the types in
`deciface.cases` in camelCase, with ``ethnicity`` (``id``, ``label``, as the ontology terms there) and
``geographicOrigin`` as in Beacon v2::

    {"format": "deciface-phenopackets-sidecar", "version": 1, "cases": {"TW-1": {
        "sha256": "...of the phenopacket, keys sorted, no white space...",
        "ethnicity": [{"label": "Hakka", "side": "maternal", "source": "self-report", "id": "TW:hakka"}],
        "geographicOrigin": {"residence": "TW", "birth": "TW"}, "family": "F7", ...}}}

Schema of the two names: Beacon v2 model, Individuals (github.com/ga4gh-beacon/beacon-v2).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import orjson

from deciface.cases import Ancestry, Case, Patient, Photo
from deciface.errors import TableError
from deciface.formats.json_text import read_json
from deciface.formats.text import in_one_line

FORMAT = "deciface-phenopackets-sidecar"
VERSION = 1
SUFFIX = ".deciface.json"
PHENOPACKET_SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
_RENAMED: dict[tuple[type, str], str] = {(Ancestry, "term"): "label", (Ancestry, "code"): "id"}
_OF_PHOTO = ("patient", "diagnoses", "unaffected", "phenotypes")
"""Fields of a photo that are those of its case."""


def sidecar_path(phenopackets: Path) -> Path:
    """Where the sidecar of a file of phenopackets lies.

    >>> sidecar_path(Path("cases.jsonl.gz")).name
    'cases.deciface.json'
    """
    name = phenopackets.name
    for suffix in sorted(PHENOPACKET_SUFFIXES, key=len, reverse=True):
        if name.casefold().endswith(suffix):
            return phenopackets.with_name(name[: -len(suffix)] + SUFFIX)
    return phenopackets.with_name(name + SUFFIX)


def sha256_of(phenopacket: object) -> str:
    """Hash of a phenopacket's content, whatever its white space and order of keys."""
    return hashlib.sha256(orjson.dumps(phenopacket, option=orjson.OPT_SORT_KEYS)).hexdigest()


def difference(case: Case, read_back: Case) -> dict[str, Any]:
    """Give the fields of `case` that differ in what was read back from its phenopacket alone, as plain JSON values."""
    entry: dict[str, Any] = {}
    ours, theirs = case.patient, read_back.patient
    if ours.ancestry != theirs.ancestry:
        entry["ethnicity"] = _plain(ours.ancestry)
    if (ours.country, ours.country_of_birth) != (theirs.country, theirs.country_of_birth):
        entry["geographicOrigin"] = {"residence": ours.country, "birth": ours.country_of_birth}
    for name in ("sex", "simulated", "family"):
        if getattr(ours, name) != getattr(theirs, name):
            entry[name] = _plain(getattr(ours, name))
    for name in _case_fields():
        value = getattr(case, name)
        if name == "photos":
            value = tuple(_without_case(photo) for photo in value)
            if value != tuple(_without_case(photo) for photo in read_back.photos):
                entry[name] = [_plain(photo, leave_out=_OF_PHOTO) for photo in value]
        elif value != getattr(read_back, name):
            entry[_camel(name)] = _plain(value)
    return entry


def restore(case: Case, entry: Mapping[str, Any]) -> Case:
    """Put the fields of a sidecar's entry into a case read from its phenopacket.

    Raises
    ------
    ValueError
        A field is not known or not of its type; the message names it.
    """
    hints = _hints(Case)
    patient: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    names = {_camel(name): name for name in _case_fields()}
    for key, value in entry.items():
        if key == "sha256":
            continue
        if key == "ethnicity":
            patient["ancestry"] = _typed(tuple[Ancestry, ...], value, key)
        elif key == "geographicOrigin":
            origin = value if isinstance(value, dict) else {}
            if set(origin) != {"residence", "birth"}:
                raise ValueError(f"'{key}' needs residence and birth")
            patient["country"] = _typed(str | None, origin["residence"], key)
            patient["country_of_birth"] = _typed(str | None, origin["birth"], key)
        elif key in ("sex", "simulated", "family"):
            patient[key] = _typed(_hints(Patient)[key], value, key)
        elif key == "photos":
            if not isinstance(value, list) or not all(isinstance(photo, dict) for photo in value):
                raise ValueError(f"'{key}' needs a list of objects")
            fields[key] = tuple(_typed(Photo, {**photo, "patient": {"id": case.id}}, key) for photo in value)
        elif key in names:
            fields[names[key]] = _typed(hints[names[key]], value, key)
        else:
            raise ValueError(f"'{in_one_line(key, 40)}' is not known")
    whole = dataclasses.replace(case, patient=dataclasses.replace(case.patient, **patient), **fields)
    return whole.with_photos(whole.photos)


def read_sidecar(path: Path, *, file: str = "") -> dict[str, Mapping[str, Any]]:
    """Read a sidecar's entries by case id.

    Raises
    ------
    TableError
        It cannot be read, or is no sidecar of this version.
    """
    found = read_json(path, file=file).records
    value = found[0].value if len(found) == 1 else None
    advice = "export again, or delete it to read the phenopackets alone"
    if not isinstance(value, dict) or (value.get("format"), value.get("version")) != (FORMAT, VERSION):
        raise TableError(f"is no {FORMAT} of version {VERSION}; {advice}", file=file or path.name)
    cases = value.get("cases")
    if not isinstance(cases, dict) or not all(isinstance(entry, dict) for entry in cases.values()):
        raise TableError(f"has no entries by case id; {advice}", file=file or path.name)
    return cases


def sidecar_bytes(entries: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Give the content of a sidecar."""
    return orjson.dumps({"format": FORMAT, "version": VERSION, "cases": entries}, option=orjson.OPT_INDENT_2) + b"\n"


def _without_case(photo: Photo) -> Photo:
    return dataclasses.replace(photo, patient=Patient(photo.patient.id), diagnoses=(), unaffected=False, phenotypes=())


@functools.cache
def _case_fields() -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(Case) if field.name != "patient")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _key(kind: type, name: str) -> str:
    return _RENAMED.get((kind, name)) or _camel(name)


def _plain(value: object, *, leave_out: tuple[str, ...] = ()) -> object:
    """Turn a value of `deciface.cases` into JSON values; fields that have their default are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            _key(type(value), field.name): _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name not in leave_out and getattr(value, field.name) != field.default
        }
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, dt.date) else value


def _typed(kind: object, value: object, name: str) -> object:
    """Turn JSON values into a value of the annotated type, checking everything; the inverse of `_plain`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        inner = next(argument for argument in arguments if argument is not type(None))
        return None if value is None else _typed(inner, value, name)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"'{name}' needs a list")
        if arguments[-1] is Ellipsis:
            return tuple(_typed(arguments[0], item, name) for item in value)
        if len(value) != len(arguments):
            raise ValueError(f"'{name}' needs lists of {len(arguments)}")
        return tuple(_typed(argument, item, name) for argument, item in zip(arguments, value, strict=True))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, value, name)
    if isinstance(kind, type) and issubclass(kind, Enum | dt.date):
        if not isinstance(value, str):
            raise ValueError(f"'{name}' needs text")
        return dt.date.fromisoformat(value) if issubclass(kind, dt.date) else kind(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"'{name}' needs {getattr(kind, '__name__', kind)}")
    return value


def _record(kind: type, value: object, name: str) -> object:
    keys = {_key(kind, field): field for field in _hints(kind)}
    if not isinstance(value, dict) or not set(value) <= set(keys):
        raise ValueError(f"'{name}' needs an object with {', '.join(keys)}")
    arguments = {keys[key]: _typed(_hints(kind)[keys[key]], item, f"{name}.{key}") for key, item in value.items()}
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ValueError(f"'{name}' lacks a field") from error
