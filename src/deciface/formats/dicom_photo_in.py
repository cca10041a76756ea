"""DICOM VL Photographic Images, in: files of a clinic's picture archive, as cases with photos.

Taken over are PatientID, PatientSex, EthnicGroup, CountryOfResidence, the age when the photo was taken, and the pixels.
Names, dates, addresses, accession numbers and every other tag stay behind; those that were there are named. The id of a
photo is made of its SOPInstanceUID by a one-way hash: a UID can be looked up in the archive it comes from.

Needs the package pydicom (``pip install 'deciface[dicom]'``). Source: DICOM PS3.3 2024, A.32.4 (VL Photographic Image),
PS3.5 6.2 (age strings), PS3.15 annex E (what identifies).
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image

from deciface.cases import Ancestry, Case, Patient, Sex
from deciface.cases.ages import years_of
from deciface.cases.ancestry_terms import ancestry
from deciface.cases.identifiers import country
from deciface.cases.sexes import parse_sex
from deciface.errors import InputError, PhotoError
from deciface.formats.exchange import PhotoFile, ReadCases
from deciface.formats.text import Problem, in_one_line
from deciface.photos import DEFAULT_LIMITS

if TYPE_CHECKING:
    from types import ModuleType

Dataset: TypeAlias = Any
"""A dataset of pydicom, which has no types of its own that could be named without importing it."""
VL_PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4"
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "MONOCHROME2")
_PREAMBLE = 128
_MAGIC = b"DICM"
_DIRECTORY = "DICOMDIR"
_AGE = re.compile(r"(\d{3})([DWMY])")
_DAYS_PER_YEAR = 365.25
_TAKEN = {"PatientID", "PatientSex", "EthnicGroup", "CountryOfResidence", "PatientAge"}
_IDENTIFYING_GROUPS = (0x0008, 0x0010, 0x0020, 0x0032, 0x0038, 0x0040, 0x4008)
"""Groups of tags about the patient, the visit, the procedure and its people; those of the picture are not listed."""
_HARMLESS = {
    *(
        "ImageType",
        "SOPClassUID",
        "Modality",
        "SpecificCharacterSet",
        "ConversionType",
        "SeriesNumber",
        "InstanceNumber",
    ),
    *(
        "Manufacturer",
        "ManufacturerModelName",
        "PatientIdentityRemoved",
        "DeidentificationMethod",
        "PatientOrientation",
    ),
    *("Laterality", "AcquisitionContextSequence", "LossyImageCompression", "DeidentificationMethodCodeSequence"),
}


class DicomPhotoImporter:
    """Reads one DICOM file, or those of a folder and its subfolders."""

    name = "dicom"

    def sniff(self, path: Path) -> bool:
        """Whether a file, or one of the first files of a folder, is DICOM by its content."""
        return any(_has_preamble(file) for file in _files(path)[:3])

    def read(self, path: Path) -> ReadCases:
        """Read a file or folder; a file of a folder that cannot be taken is a problem, the others are read.

        Raises
        ------
        InputError
            pydicom is missing, the folder has no DICOM files, or the single file cannot be taken.
        """
        load_pydicom()
        files = _files(path)
        if not files:
            raise InputError(f"'{path}' has no DICOM files; give a file or a folder of them")
        reading = _Reading()
        for number, file in enumerate(files, start=1):
            try:
                reading.add(file, number)
            except InputError as error:
                if not path.is_dir():
                    raise
                reading.tell(file, "", f"dropped: {str(error).removeprefix(f'{file.name}: ')}")
        return reading.result()


def load_pydicom() -> ModuleType:
    """Import pydicom.

    Raises
    ------
    InputError
        When it is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise InputError("DICOM needs the package pydicom; run: pip install 'deciface[dicom]'") from error
    module: ModuleType = pydicom
    return module


def _has_preamble(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_PREAMBLE + 4)[_PREAMBLE:] == _MAGIC
    except (OSError, ValueError):
        return False


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.name != _DIRECTORY and file.is_file() and (file.suffix.casefold() == ".dcm" or _has_preamble(file))
    )


class _Reading:
    """Collects the photos of each patient."""

    def __init__(self) -> None:
        self._cases: dict[str, tuple[int, Case]] = {}
        self._files: dict[str, PhotoFile] = {}
        self._problems: list[Problem] = []

    def tell(self, file: Path, tag: str, message: str) -> None:
        self._problems.append(Problem(file.name, 1, tag, message))

    def result(self) -> ReadCases:
        return ReadCases(tuple(self._cases.values()), tuple(self._problems), self._files)

    def add(self, file: Path, number: int) -> None:
        """Take one file over, or raise an InputError that says why not."""
        with _opened(file, with_pixels=False) as dataset:
            patient_id = _text(dataset, "PatientID")
            if not patient_id:
                raise InputError(f"{file.name}: there is no PatientID; give the patient a pseudonymous id")
            _check_picture(dataset, file)
            photo_id = f"dicom-{hashlib.sha256(str(dataset.SOPInstanceUID).encode()).hexdigest()[:20]}"
            if photo_id in self._files:
                raise InputError(f"{file.name}: another file holds the same photo (SOPInstanceUID); keep one")
            patient = Patient(
                patient_id, self._sex(dataset, file), self._ancestry(dataset), self._country(dataset, file)
            )
            age = self._age_years(dataset, file)
            self._tell_what_stays_behind(dataset, file)
        first, known = self._cases.get(patient_id, (number, Case(patient)))
        if known.patient != patient:
            what = "sex, ethnic group or country"
            self.tell(
                file, "PatientID", f"{what} differ from an earlier file of the patient, taken as there; correct one"
            )
        photo = known.photo(photo_id, age_years=age)
        self._cases[patient_id] = first, known.with_photos((*known.photos, photo))
        self._files[photo_id] = functools.partial(photo_png, file)

    def _sex(self, dataset: Dataset, file: Path) -> Sex:
        written = _text(dataset, "PatientSex")
        sex = parse_sex(written)
        if sex is None:
            self.tell(
                file, "PatientSex", f"'{in_one_line(written, 40)}' is not known, taken as unknown; write F, M or O"
            )
        return sex or Sex.UNKNOWN

    def _ancestry(self, dataset: Dataset) -> tuple[Ancestry, ...]:
        written = _text(dataset, "EthnicGroup")
        return (ancestry(written),) if written else ()

    def _country(self, dataset: Dataset, file: Path) -> str | None:
        written = _text(dataset, "CountryOfResidence")
        code = country(written) if written else None
        if written and code is None:
            self.tell(file, "CountryOfResidence", f"'{in_one_line(written, 40)}' is left out; write e.g. TW or Taiwan")
        return code

    def _age_years(self, dataset: Dataset, file: Path) -> float | None:
        """From the day of the photo and the birth date, which is then forgotten; else from PatientAge."""
        born = _day(dataset, "PatientBirthDate")
        taken = next(filter(None, (_day(dataset, f"{what}Date") for what in ("Acquisition", "Content", "Study"))), None)
        written = _text(dataset, "PatientAge")
        match = _AGE.fullmatch(written)
        stated = years_of(f"P{int(match[1])}{match[2]}") if match else None
        if written and stated is None:
            self.tell(file, "PatientAge", f"'{in_one_line(written, 20)}' is left out; write e.g. 004Y, 018M or 010D")
        if born is None or taken is None:
            return stated
        # hundredths of a year: finer would give the birth date away beside the day of the photo
        by_dates = round((taken - born).days / _DAYS_PER_YEAR, 2)
        if not 0 <= by_dates <= 120:
            self.tell(file, "PatientBirthDate", "the dates give no age of 0 to 120 years; PatientAge is taken if there")
            return stated
        if stated is not None and abs(stated - by_dates) > 1:
            self.tell(
                file, "PatientAge", f"{written} differs from the dates, which give {by_dates:g} years and are taken"
            )
        return by_dates

    def _tell_what_stays_behind(self, dataset: Dataset, file: Path) -> None:
        if _text(dataset, "PatientIdentityRemoved").upper() != "YES":
            self.tell(file, "PatientID", "taken as it is, though the file does not say that the patient's identity was "
                      "removed; make sure that it is a pseudonym")  # fmt: skip
        if _text(dataset, "BurnedInAnnotation").upper() == "YES":
            self.tell(file, "BurnedInAnnotation", "the picture itself may show a name or a date; look at it")
        kept = _TAKEN | _HARMLESS
        identifying = {
            element.keyword or ("private tags" if element.tag.is_private else "unknown tags")
            for element in dataset
            if (element.tag.is_private or element.tag.group in _IDENTIFYING_GROUPS)
            and element.keyword not in kept
            and not element.is_empty
        }
        if identifying:
            names = in_one_line(", ".join(sorted(identifying)), 300)
            self.tell(file, "", f"identifying tags are not taken over: {names}")


@contextmanager
def _opened(file: Path, *, with_pixels: bool) -> Iterator[Dataset]:
    """Give the dataset of a file; whatever pydicom raises on damaged ones becomes an InputError."""
    pydicom = load_pydicom()
    logger = logging.getLogger("pydicom")
    level = logger.level
    try:
        with warnings.catch_warnings():
            # pydicom warns, twice, about every value that breaks a rule of the standard
            warnings.simplefilter("ignore")
            logger.setLevel(logging.CRITICAL)
            yield pydicom.dcmread(file, stop_before_pixels=not with_pixels)
    except InputError:
        raise
    except pydicom.errors.InvalidDicomError as error:
        raise InputError(f"{file.name}: not a DICOM file; give one that begins with a DICOM header") from error
    except OSError as error:
        raise InputError(f"{file.name}: cannot be read ({error.strerror or error}); give a DICOM file") from error
    # damaged elements raise anything when they are looked at, so nothing narrower will do
    except Exception as error:
        reason = in_one_line(str(error) or type(error).__name__, 80)
        raise InputError(f"{file.name}: damaged DICOM ({reason}); fetch it again from the archive") from error
    finally:
        logger.setLevel(level)


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    text = "" if value is None else str(value)
    return "".join(c for c in text if c.isprintable()).strip()


def _day(dataset: Dataset, keyword: str) -> dt.date | None:
    match = re.fullmatch(r"(\d{4})\.?(\d\d)\.?(\d\d)", _text(dataset, keyword), re.ASCII)
    try:
        return dt.date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


def _check_picture(dataset: Dataset, file: Path) -> None:
    """Refuse what is no photo, or one whose pixels cannot be decoded here."""
    from pydicom.pixels import get_decoder

    sop_class = dataset.get("SOPClassUID")
    if sop_class != VL_PHOTOGRAPHIC:
        name = in_one_line(str(getattr(sop_class, "name", sop_class)), 60)
        message = f"it is a {name}; only VL Photographic Image Storage ({VL_PHOTOGRAPHIC}) is read"
        raise InputError(f"{file.name}: {message}")
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise InputError(f"{file.name}: {dataset.NumberOfFrames} frames; a single photo is needed")
    if dataset.BitsAllocated != 8:
        raise InputError(f"{file.name}: {dataset.BitsAllocated} bits a sample; photos have 8, export it again")
    colours = dataset.PhotometricInterpretation
    if colours not in _COLOURS:
        raise InputError(f"{file.name}: colours are {in_one_line(str(colours), 30)}; allowed are {', '.join(_COLOURS)}")
    height, width = int(dataset.Rows), int(dataset.Columns)
    if not 0 < width * height <= DEFAULT_LIMITS.max_pixels:
        most = DEFAULT_LIMITS.max_pixels / 1e6
        raise InputError(f"{file.name}: {width} x {height} pixels; at most {most:g} megapixels are read")
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        can_be_read = get_decoder(syntax).is_available
    except NotImplementedError:
        can_be_read = False
    if not can_be_read:
        name = in_one_line(str(syntax.name), 80)
        message = f"compressed as {name}, which cannot be decoded here; export it uncompressed or as JPEG Baseline"
        raise InputError(f"{file.name}: {message}")


def photo_png(file: Path) -> bytes:
    """Decode the picture of a VL Photographic file to a PNG without metadata but its colour profile.

    Raises
    ------
    PhotoError
        When the pixels are damaged or cut off.
    InputError
        When the file is no VL Photographic Image or cannot be read.
    """
    from pydicom.pixels import pixel_array

    with _opened(file, with_pixels=True) as dataset:
        _check_picture(dataset, file)
        try:
            picture = Image.fromarray(np.ascontiguousarray(pixel_array(dataset), dtype=np.uint8))
            out = io.BytesIO()
            picture.save(out, "PNG", icc_profile=dataset.get("ICCProfile"))
        # decoders raise anything on damaged data
        except Exception as error:
            reason = in_one_line(str(error) or type(error).__name__, 80)
            raise PhotoError(f"{file.name}: the picture is damaged or cut off ({reason}); fetch it again") from error
    return out.getvalue()
