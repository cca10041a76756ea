"""What is recorded about a person: photos, diagnoses, phenotypes; and a face as vectors. Frozen, no input or output."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.cases.people import Patient


class TermState(StrEnum):
    """Missing is not absent is not zero."""

    PRESENT = "present"
    EXCLUDED = "excluded"
    NOT_ASSESSED = "not-assessed"


class DiagnosisStatus(StrEnum):
    """How sure the diagnosis is."""

    MOLECULAR = "molecularly confirmed"
    CLINICAL = "clinical"
    SUSPECTED = "suspected"


@dataclass(frozen=True, slots=True)
class Phenotype:
    """An HPO term and whether it was seen, looked for and not seen, or not looked for."""

    term: str
    state: TermState = TermState.PRESENT


@dataclass(frozen=True, slots=True)
class Disorder:
    """A disorder as galleries rank it.

    `id` is the key everything is grouped by (OMIM:.., ORPHA:.., MONDO:.. or a site's own); `name` is what is shown.
    """

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a patient has: a disorder, the genes behind it (possibly none, possibly several), and how sure it is."""

    disorder: Disorder
    genes: tuple[str, ...] = ()
    status: DiagnosisStatus = DiagnosisStatus.CLINICAL


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of one patient. The age is the age in this photo.

    Parameters
    ----------
    id
        Unique within a workspace or gallery.
    patient
        Whom it shows.
    sha256
        Of the decoded pixels, hexadecimal: the same picture saved twice has one hash.
    age_years
        Age in the photo, or None when not recorded.
    diagnoses
        What the patient had been diagnosed with; empty: unaffected or undiagnosed, told apart by `unaffected`.
    unaffected
        True for a person examined and found without a disorder.
    """

    id: str
    patient: Patient
    sha256: str
    age_years: float | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    unaffected: bool = False
    phenotypes: tuple[Phenotype, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class View:
    """One way of looking at a face: which model, which region of the face, mirrored or not, colour or grey.

    Views are joined by these names, never by position.
    """

    model: str
    region: str = "face"
    flip: bool = False
    grey: bool = False

    def __str__(self) -> str:
        """E.g. ``dlib-resnet/face/flip/colour``."""
        return f"{self.model}/{self.region}/{'flip' if self.flip else 'straight'}/{'grey' if self.grey else 'colour'}"


@dataclass(frozen=True, slots=True)
class Encoding:
    """One photo as one unit vector in one view.

    Parameters
    ----------
    photo_id, photo_sha256
        Which photo; the hash is that of `Photo.sha256`.
    crop_version
        How the crop was made. Vectors of different crop versions are never compared.
    encoder_sha256
        Of the weights. Vectors of different weights are never compared.
    view
        Which view.
    vector
        (d,) float32, unit length.
    """

    photo_id: str
    photo_sha256: str
    crop_version: str
    encoder_sha256: str
    view: View
    vector: NDArray[np.float32]
