"""The photos benchmarks run on: the Face Research Lab London Set where it is, else nothing.

Found in ``DECIFACE_TEST_DATA``, else in ``../shared/data`` beside the working folder.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.errors import NothingFoundError
from deciface.photos import read_photo
from deciface.simulate.template import read_template

OUTER_CANTHI_TEM = (18, 27)


@dataclass(frozen=True, slots=True)
class Person:
    """One person of the London set: neutral photo with manual template (189, 2) photo_px, smiling photo or None."""

    id: str
    ancestry: str
    sex: str
    neutral: Path
    smiling: Path | None
    points_px: NDArray[np.float64]

    def pixels(self) -> NDArray[np.uint8]:
        """The neutral photo, (h, w, 3) uint8 sRGB."""
        return read_photo(self.neutral).pixels


def reference_root() -> Path:
    """The folder of the reference data.

    Raises
    ------
    NothingFoundError
        When it is not there.
    """
    root = Path(os.environ.get("DECIFACE_TEST_DATA", Path.cwd().parent / "shared" / "data"))
    if not (root / "faces" / "london").is_dir():
        raise NothingFoundError(
            f"the London photos are not in {root}; download figshare 5047666 (CC BY 4.0) into FOLDER/faces/london "
            "and set DECIFACE_TEST_DATA=FOLDER"
        )
    return root


def london() -> list[Person]:
    """All people of the London set, by id."""
    faces = reference_root() / "faces"
    with (faces / "london_info.csv").open(encoding="utf-8") as file:
        info = {row["face_id"]: row for row in csv.DictReader(file)}
    people = []
    for template in sorted((faces / "london").glob("*_03.tem")):
        id_ = template.stem[:3]
        smiling = template.with_name(f"{id_}_08.jpg")
        people.append(
            Person(
                id=id_,
                ancestry=info[id_]["face_eth"],
                sex=info[id_]["face_gender"],
                neutral=template.with_suffix(".jpg"),
                smiling=smiling if smiling.exists() else None,
                points_px=read_template(template),
            )
        )
    return people
