"""A case: one patient with everything that is recorded about them. Frozen, no input or output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from deciface.cases.consents import Consent, Participant
from deciface.cases.people import Patient, VitalStatus
from deciface.cases.records import (
    NOT_STATED,
    Diagnosis,
    Phenotype,
    Photo,
    PhotoSource,
    PhotoView,
    Variant,
)


@dataclass(frozen=True, slots=True)
class Case:
    """One patient and what is known about them; what importers yield and exporters take.

    Photos carry the patient, the diagnoses and the phenotypes of their case, because galleries need them there; make
    them with `photo` or hand them to `with_photos`, so that both always agree.

    Parameters
    ----------
    patient
        Who.
    diagnoses, phenotypes, variants
        What the patient has.
    unaffected
        True for a person examined and found without a disorder.
    consents
        What was agreed to; empty: nothing is recorded.
    photos
        Of the patient, each with the age in it.
    participant
        What the study knows, or None for nobody of the study.
    last_seen_age
        ISO 8601 age (``P80Y``), HPO onset class or gestational age at the last encounter, or None.
    vital_status
        When last heard of.
    references
        Publications: ``PMID:24573067``, ``doi:10.1000/xyz``.
    other_ids
        What others call the patient.
    site
        Which site the case belongs to; empty: this one's, not named.
    as_written
        (field, text) of values that were normalised on the way in, so that nothing a source said is lost.
    """

    patient: Patient
    diagnoses: tuple[Diagnosis, ...] = ()
    phenotypes: tuple[Phenotype, ...] = ()
    variants: tuple[Variant, ...] = ()
    unaffected: bool = False
    consents: tuple[Consent, ...] = ()
    photos: tuple[Photo, ...] = ()
    participant: Participant | None = None
    last_seen_age: str | None = None
    vital_status: VitalStatus = VitalStatus.UNKNOWN
    references: tuple[str, ...] = ()
    other_ids: tuple[str, ...] = ()
    site: str = ""
    as_written: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """The patient's id."""
        return self.patient.id

    def photo(
        self,
        photo_id: str,
        *,
        sha256: str = NOT_STATED,
        age_years: float | None = None,
        view: PhotoView = PhotoView.UNKNOWN,
        source: PhotoSource = PhotoSource.UNKNOWN,
        occlusions: Iterable[str] = (),
        file_name: str = "",
        replaces: str | None = None,
    ) -> Photo:
        """Make a photo of this case's patient; it is not added to `photos`."""
        return Photo(
            id=photo_id,
            patient=self.patient,
            sha256=sha256,
            age_years=age_years,
            diagnoses=self.diagnoses,
            unaffected=self.unaffected,
            phenotypes=self.phenotypes,
            view=view,
            source=source,
            occlusions=tuple(occlusions),
            file_name=file_name,
            replaces=replaces,
        )

    def with_photos(self, photos: Iterable[Photo]) -> Case:
        """Return the case with these photos, which take over its patient, diagnoses and phenotypes."""
        return replace(
            self,
            photos=tuple(
                replace(
                    photo,
                    patient=self.patient,
                    diagnoses=self.diagnoses,
                    unaffected=self.unaffected,
                    phenotypes=self.phenotypes,
                )
                for photo in photos
            ),
        )
