"""A folder of photos with landmark templates as training material, and the card of the model learnt from it."""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deciface.cases import Sex
from deciface.errors import InputError, TableError
from deciface.simulate.appearance import AppearanceModel
from deciface.simulate.fitting import MIN_GROUP, PersonGroup
from deciface.whole_files import write_whole

LONDON_SOURCE = (
    "Face Research Lab London Set, DeBruine & Jones 2017, https://doi.org/10.6084/m9.figshare.5047666, CC BY 4.0; "
    "changed: only group effects and principal components of shape and of shape-free skin are kept"
)
LONDON_LICENCE = "CC BY 4.0"
LONDON_CITATION = "DeBruine L, Jones B (2017). Face Research Lab London Set. doi:10.6084/m9.figshare.5047666"
_COLUMNS = {
    "photo": ("photo", "face_id"),
    "ancestry": ("ancestry", "face_eth"),
    "sex": ("sex", "face_gender"),
    "age_years": ("age_years", "face_age"),
}


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Photos, templates and groups, one per person and in one order."""

    photos: tuple[Path, ...]
    templates: tuple[Path, ...]
    groups: tuple[PersonGroup, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over names, photos, templates and groups, in their order."""
        whole = hashlib.sha256()
        for photo, template, group in zip(self.photos, self.templates, self.groups, strict=True):
            for content in (photo.stem.encode(), photo.read_bytes(), template.read_bytes(), repr(group).encode()):
                whole.update(hashlib.sha256(content).digest())
        return whole.hexdigest()


def read_training_set(folder: Path, table: Path) -> TrainingSet:
    """Pair the photos of a folder with their templates and the groups in a table.

    Parameters
    ----------
    folder
        Photos `NAME.jpg` with `NAME.tem` beside them; one photo per person.
    table
        CSV with columns photo (NAME, or its part before _03), ancestry, sex, age_years ('' or 'NA': unknown); the
        London Set's own names face_id, face_eth, face_gender, face_age are understood.

    Raises
    ------
    InputError
        If the folder holds no photo with a template.
    TableError
        If a column or a person is missing or a cell cannot be read.
    """
    people = _read_groups(table)
    photos, templates, groups = [], [], []
    for template in sorted(folder.glob("*.tem")):
        photo = next((p for p in (template.with_suffix(s) for s in (".jpg", ".jpeg", ".png")) if p.is_file()), None)
        name = template.stem
        group = people.get(name) or people.get(name.removesuffix("_03"))
        if photo is None:
            continue
        if group is None:
            raise TableError(f"nobody named '{name}'; every photo with a template needs a row", file=str(table))
        photos.append(photo)
        templates.append(template)
        groups.append(group)
    if not photos:
        raise InputError(f"{folder}: no photo with a .tem template beside it; put NAME.jpg and NAME.tem there")
    return TrainingSet(tuple(photos), tuple(templates), tuple(groups))


def _read_groups(table: Path) -> dict[str, PersonGroup]:
    try:
        rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{table}: cannot be read; give a UTF-8 CSV with photo, ancestry, sex, age_years") from None
    header = list(rows[0]) if rows else []
    column = {key: next((n for n in names if n in header), "") for key, names in _COLUMNS.items()}
    for key, found in column.items():
        if not found:
            raise TableError(
                f"column missing; there are {', '.join(header) or 'none'}; add it", file=str(table), column=key
            )
    people = {}
    for number, row in enumerate(rows, start=2):
        people[row[column["photo"]]] = PersonGroup(
            ancestry=row[column["ancestry"]],
            sex=_sex(row[column["sex"]], table, number),
            age_years=_age_years(row[column["age_years"]], table, number),
        )
    return people


def _sex(cell: str, table: Path, row: int) -> Sex:
    try:
        return Sex(cell.strip().lower() or "unknown")
    except ValueError:
        raise TableError(
            f"'{cell}'; female, male or unknown is allowed; correct the cell", file=str(table), row=row, column="sex"
        ) from None


def _age_years(cell: str, table: Path, row: int) -> float | None:
    if cell.strip() in ("", "NA"):
        return None
    try:
        age = float(cell)
    except ValueError:
        age = math.nan
    if not 0 <= age <= 120:
        raise TableError(
            f"'{cell}'; years from 0 to 120, or empty, are allowed; correct the cell",
            file=str(table),
            row=row,
            column="age_years",
        )
    return age


def write_card(model: AppearanceModel, path: Path, *, training: TrainingSet, command: str) -> None:
    """Write the model's card: what it is, from how many, what is not in it, how to make it again."""
    card: dict[str, Any] = {
        "name": "DeciFace appearance model",
        "kind": "linear model of face shape and shape-free skin texture (active appearance model)",
        "file": "appearance.npz",
        "sha256": model.sha256,
        "size_bytes": len(model.packed),
        "licence": LONDON_LICENCE if model.source == LONDON_SOURCE else "as of the training photos, see training_data",
        "training_data": model.source,
        "citation": LONDON_CITATION if model.source == LONDON_SOURCE else "that of the training photos",
        "training_people": {
            "total": len(training.groups),
            "by_ancestry": model.people,
            "smallest_group": min(model.people.values()),
            "note": "people of two groups count in both; sex and age are effects common to all",
        },
        "components": {
            name: {"number": len(basis.components), "explained_variance_within_groups": round(basis.explained, 4)}
            for name, basis in (("shape", model.shape), ("brightness", model.luma), ("colour", model.chroma))
        },
        "not_in_the_file": [
            "a photo or a landmark set of a person",
            "coefficients of a person",
            f"a mean of fewer than {MIN_GROUP} people: effects add up, there is no mean of a sex within an ancestry",
        ],
        "intended_use": "simulated adult faces with known truth for tests, demonstrations and method studies",
        "not_for": "estimating how any population looks; children; recognition of persons",
        "made_by": command,
    }
    write_whole(path, yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=110).encode())
