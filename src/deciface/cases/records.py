"""What is recorded about a person: photos, diagnoses, phenotypes, variants; and a face as vectors. Frozen, no I/O."""

from __future__ import annotations

import datetime as dt
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


class PhotoView(StrEnum):
    """From where the face is seen."""

    FRONTAL = "frontal"
    LEFT = "left profile"
    RIGHT = "right profile"
    OBLIQUE = "oblique"
    UNKNOWN = "unknown"


class PhotoSource(StrEnum):
    """Where the photo comes from; a confounder of every comparison between countries."""

    CLINIC = "clinic"
    FAMILY = "family"
    LITERATURE = "literature"
    SIMULATED = "simulated"
    UNKNOWN = "unknown"


NOT_STATED = "unknown"
"""Stands for the hash of pixels that are not here, and for weights or crop versions that a file did not state."""


@dataclass(frozen=True, slots=True)
class Phenotype:
    """An HPO term and whether it was seen, looked for and not seen, or not looked for.

    Parameters
    ----------
    term
        ``HP:0000316``.
    state
        Missing is not absent: terms nobody looked for are not listed, or listed as not assessed.
    onset
        ISO 8601 age (``P18Y``), an HPO onset class (``HP:0011463``), gestational age (``13w0d``), or None.
    severity
        HPO severity term, or None.
    modifiers
        HPO clinical modifiers.
    label
        Name as the source gave it; for people, never compared.
    """

    term: str
    state: TermState = TermState.PRESENT
    onset: str | None = None
    severity: str | None = None
    modifiers: tuple[str, ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True)
class Disorder:
    """A disorder as galleries rank it.

    `id` is the key everything is grouped by (OMIM:.., ORPHA:.., MONDO:.. or a site's own); `name` is what is shown.
    """

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a patient has: a disorder, the genes behind it (possibly none, possibly several), and how sure it is.

    Parameters
    ----------
    disorder, genes, status
        What, the gene symbols, how sure.
    date
        When it was made, or None.
    onset
        Of the disorder, written as `Phenotype.onset`, or None.
    """

    disorder: Disorder
    genes: tuple[str, ...] = ()
    status: DiagnosisStatus = DiagnosisStatus.CLINICAL
    date: dt.date | None = None
    onset: str | None = None


class Zygosity(StrEnum):
    """How many copies of the allele, as recorded."""

    HETEROZYGOUS = "heterozygous"
    HOMOZYGOUS = "homozygous"
    HEMIZYGOUS = "hemizygous"
    MOSAIC = "mosaic"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Variant:
    """A reported variant.

    Parameters
    ----------
    gene, gene_id
        Symbol and ``HGNC:25662``; empty when not stated.
    hgvs
        Descriptions with their reference sequence, coding first: ``NM_024666.5:c.174del``.
    assembly, chromosome, position, ref, alt
        As a VCF has them (1-based position); ``""`` and None where only a description is known.
    zygosity
        As recorded.
    acmg
        Class in the source's words, e.g. ``PATHOGENIC``; empty when not stated.
    structural_type
        Sequence Ontology term of a structural variant, ``SO:1000029``; else empty.
    label
        Free description; the only one that some structural variants have.
    """

    gene: str = ""
    gene_id: str = ""
    hgvs: tuple[str, ...] = ()
    assembly: str = ""
    chromosome: str = ""
    position: int | None = None
    ref: str = ""
    alt: str = ""
    zygosity: Zygosity = Zygosity.UNKNOWN
    acmg: str = ""
    structural_type: str = ""
    label: str = ""


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
        Of the decoded pixels, hexadecimal: the same picture saved twice has one hash. `NOT_STATED` where only the
        description or the encodings of the photo are here.
    age_years
        Age in the photo, or None when not recorded.
    diagnoses
        What the patient had been diagnosed with; empty: unaffected or undiagnosed, told apart by `unaffected`.
    unaffected
        True for a person examined and found without a disorder.
    phenotypes
        Of the patient.
    view, source, occlusions
        From where, from whom, and what covers the face (``glasses``, ``eye bar``).
    file_name
        What the source called the file; empty when it has no name.
    replaces
        Id of an earlier version of this photo (a better scan), or None.
    """

    id: str
    patient: Patient
    sha256: str
    age_years: float | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    unaffected: bool = False
    phenotypes: tuple[Phenotype, ...] = ()
    view: PhotoView = PhotoView.UNKNOWN
    source: PhotoSource = PhotoSource.UNKNOWN
    occlusions: tuple[str, ...] = ()
    file_name: str = ""
    replaces: str | None = None


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
