"""DICOM VL Photographic Images, out: one pseudonymous file a photo, for a picture archive.

Written are the patient's pseudonymous id (as PatientID and PatientName), sex, the age in the photo, and the pixels,
uncompressed; no date, no name, no place. Source: DICOM PS3.3 2024, A.32.4 and C.7.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Case, Photo, Sex
from deciface.errors import InputError, NothingFoundError, StorageError
from deciface.formats.dicom_photo_in import VL_PHOTOGRAPHIC, Dataset, load_pydicom
from deciface.formats.exchange import Written
from deciface.formats.text import in_one_line
from deciface.formats.whole_folder import whole_folder
from deciface.photos import read_photo

if TYPE_CHECKING:
    from types import ModuleType

_LONGEST_ID = 64
_SEXES = {Sex.FEMALE: "F", Sex.MALE: "M", Sex.UNKNOWN: ""}
_HOW = "DeciFace export: pseudonymous id, no dates, no names"


class DicomPhotoExporter:
    """Writes the photos of cases as DICOM files into a new folder.

    Parameters
    ----------
    pixels
        Gives a photo's image (PNG, or another format that DeciFace reads) by its id; raises InputError when the image
        is not here.
    """

    name = "dicom"

    def __init__(self, pixels: Callable[[str], bytes]) -> None:
        self._pixels = pixels

    def paths(self, target: Path) -> tuple[Path, ...]:
        """The folder."""
        return (target,)

    def write(self, cases: Sequence[Case], target: Path) -> Written:
        """Write one file a photo, numbered in the order of the cases.

        Raises
        ------
        InputError
            When pydicom is missing, or a photo cannot be decoded.
        NothingFoundError
            When there is no image at all.
        StorageError
            When the folder exists already or cannot be written, or an id does not fit DICOM.
        """
        pydicom = load_pydicom()
        lost: Counter[str] = Counter()
        names: list[str] = []
        with whole_folder(target) as folder:
            for case in cases:
                _check_id(case.id)
                lost.update(_not_held(case))
                for photo in case.photos:
                    try:
                        image = self._pixels(photo.id)
                    except InputError:
                        lost["photos without pixels here (not written)"] += 1
                        continue
                    decoded = read_photo(image, name=photo.id)
                    dataset = _dataset(pydicom, case, photo, decoded.pixels)
                    names.append(f"{len(names) + 1:06d}.dcm")
                    content = io.BytesIO()
                    dataset.save_as(content, enforce_file_format=True)
                    (folder / names[-1]).write_bytes(content.getvalue())
                    lost.update(_lost_of_photo(photo, str(dataset.PatientAge)))
            if not names:
                raise NothingFoundError("no photo has its image here, so that there is nothing to write as DICOM")
        losses = tuple(f"DICOM has no place for {what} ({count})" for what, count in sorted(lost.items()))
        return Written(tuple(target / name for name in names), losses)


def _check_id(patient_id: str) -> None:
    if len(patient_id) > _LONGEST_ID or "\\" in patient_id or not patient_id.isprintable() or not patient_id.strip():
        shown = in_one_line(patient_id, 40)
        message = f"the patient id '{shown}' does not fit DICOM; up to {_LONGEST_ID} characters without \\ are allowed"
        raise StorageError(message)


def _not_held(case: Case) -> list[str]:
    patient = case.patient
    held = {
        "ancestry": patient.ancestry,
        "country": patient.country or patient.country_of_birth,
        "family": patient.family,
        "diagnoses": case.diagnoses,
        "features": case.phenotypes,
        "variants": case.variants,
        "consents": case.consents,
        "study participation": case.participant,
        "references": case.references,
        "other ids": case.other_ids,
        "unaffected": case.unaffected,
        "simulated": patient.simulated,
        "last encounter and vital status": case.last_seen_age or (case.vital_status is not case.vital_status.UNKNOWN),
        "site": case.site,
        "words of the source": case.as_written,
        "patients without photos": not case.photos,
    }
    return [what for what, given in held.items() if given]


def _lost_of_photo(photo: Photo, age: str) -> list[str]:
    return [
        what
        for what, given in {
            "ids of photos": True,
            "ages finer than DICOM's": photo.age_years is not None and not _is_exact(photo.age_years, age),
            "view": photo.view is not photo.view.UNKNOWN,
            "source of the photo": photo.source is not photo.source.UNKNOWN,
            "occlusions": photo.occlusions,
            "file name": photo.file_name,
            "replaced photo": photo.replaces,
        }.items()
        if given
    ]


def _is_exact(years: float, age: str) -> bool:
    unit = {"Y": 1.0, "M": 1 / 12, "D": 1 / 365.25}[age[-1]]
    return abs(int(age[:-1]) * unit - years) < 1e-9


def age_string(years: float) -> str:
    """Age as DICOM writes it, completed days, months or years, whichever is the finest that fits three digits.

    >>> age_string(4.5), age_string(0.1), age_string(90.7)
    ('054M', '036D', '090Y')
    """
    # an age that was itself made of months or days may be a rounding below them
    days, months = int(years * 365.25 + 1e-6), int(years * 12 + 1e-6)
    if days < 100:
        return f"{days:03d}D"
    return f"{months:03d}M" if months < 1000 else f"{int(years):03d}Y"


def _dataset(pydicom: ModuleType, case: Case, photo: Photo, pixels: NDArray[np.uint8]) -> Dataset:
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    instance = generate_uid(entropy_srcs=[case.id, photo.id, "photo"])
    dataset.file_meta.MediaStorageSOPClassUID = VL_PHOTOGRAPHIC
    dataset.file_meta.MediaStorageSOPInstanceUID = instance
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    height, width = pixels.shape[:2]
    values: dict[str, object] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["DERIVED", "PRIMARY"],
        "SOPClassUID": VL_PHOTOGRAPHIC,
        "SOPInstanceUID": instance,
        **dict.fromkeys(("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID"), ""),
        "Modality": "XC",
        "Manufacturer": "",
        "PatientName": case.id,
        "PatientID": case.id,
        "PatientBirthDate": "",
        "PatientSex": _SEXES[case.patient.sex],
        "PatientAge": "" if photo.age_years is None else age_string(photo.age_years),
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": _HOW,
        "LongitudinalTemporalInformationModified": "REMOVED",
        "StudyInstanceUID": generate_uid(entropy_srcs=[case.id, photo.id, "study"]),
        "SeriesInstanceUID": generate_uid(entropy_srcs=[case.id, photo.id, "series"]),
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "PatientOrientation": "",
        "AcquisitionContextSequence": [],
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "Rows": height,
        "Columns": width,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "LossyImageCompression": "00",
    }
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    content = pixels.tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    return dataset
