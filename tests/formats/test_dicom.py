"""DICOM VL Photographic: what is taken over, what stays behind, what is refused, and our own files read back."""

import builtins
import io
import random
import warnings

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from deciface.cases import Case, Diagnosis, Disorder, Patient, PhotoView, Sex
from deciface.cases.ancestry_terms import ancestry
from deciface.errors import DeciFaceError, InputError, NothingFoundError, PhotoError, StorageError
from deciface.formats.dicom_photo import VL_PHOTOGRAPHIC, DicomPhotoExporter, DicomPhotoImporter, photo_png
from deciface.formats.dicom_photo_out import age_string
from deciface.photos import pixel_sha256, read_photo


def drawn(seed=1, size=(61, 45)):
    """A drawn face of an odd number of bytes."""
    image = Image.new("RGB", size, (seed * 40 % 255, 180, 150))
    draw = ImageDraw.Draw(image)
    draw.ellipse((10, 5, 50, 42), fill=(220, 180, 150))
    draw.ellipse((20 + seed, 18, 26, 22), fill=(30, 60, 20))
    return image


def dicom(path, *, syntax=ExplicitVRLittleEndian, image=None, **tags):
    image = image or drawn()
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = tags.get("SOPClassUID", VL_PHOTOGRAPHIC)
    values = {
        "SOPClassUID": VL_PHOTOGRAPHIC,
        "SOPInstanceUID": f"1.2.3.{abs(hash(path.name)) % 10**9}",
        "PatientID": "P_7",
        "PatientSex": "F",
        "PatientIdentityRemoved": "YES",
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "Rows": image.height,
        "Columns": image.width,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
    }
    with warnings.catch_warnings():
        # some values are wrong on purpose
        warnings.simplefilter("ignore")
        for keyword, value in (values | tags).items():
            if value is not None:
                setattr(dataset, keyword, value)
    if "PixelData" not in tags:
        raw = image.tobytes()
        dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    dataset.file_meta.MediaStorageSOPInstanceUID = values["SOPInstanceUID"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(path, enforce_file_format=True)
    return path


def told(result):
    return [str(problem) for problem in result.problems]


def test_a_photo_becomes_a_case_and_names_stay_behind(tmp_path):
    path = dicom(
        tmp_path / "a.dcm",
        PatientName="Doe^Jane",
        PatientBirthDate="20200105",
        PatientAddress="1 Main Street",
        AccessionNumber="ACC77",
        InstitutionName="Clinic",
        StudyDate="20240705",
        PatientAge="004Y",
        EthnicGroup="Hakka",
        CountryOfResidence="Taiwan",
    )
    result = DicomPhotoImporter().read(path)
    ((number, case),) = result.cases
    (photo,) = case.photos
    assert (number, case.patient) == (1, Patient("P_7", Sex.FEMALE, (ancestry("Hakka"),), "TW"))
    assert photo.age_years == 4.5
    assert photo.id.startswith("dicom-")
    assert told(result) == [
        "a.dcm, row 1: identifying tags are not taken over: AccessionNumber, InstitutionName, PatientAddress, "
        "PatientBirthDate, PatientName, SOPInstanceUID, StudyDate"
    ]
    assert not any(secret in repr(result.cases) for secret in ("Doe", "2020", "2024", "Main", "ACC77", "1.2.3"))
    png = result.photo_files[photo.id]()
    assert read_photo(png).pixel_sha256 == pixel_sha256(np.asarray(drawn()))
    assert b"Doe" not in png


@pytest.mark.parametrize(
    ("tags", "age", "message"),
    [
        ({"PatientAge": "018M"}, 1.5, None),
        ({"PatientAge": "021D"}, 21 / 365.25, None),
        ({"PatientAge": "4 years"}, None, "PatientAge': '4 years' is left out; write e.g. 004Y, 018M or 010D"),
        ({"StudyDate": "20240101"}, None, None),
        ({"PatientBirthDate": "20200101", "StudyDate": "20250101", "ContentDate": "20220101"}, 2.0, None),
        ({"PatientBirthDate": "20200101", "StudyDate": "20220101", "PatientAge": "009Y"}, 2.0,
         "PatientAge': 009Y differs from the dates, which give 2 years and are taken"),
        ({"PatientBirthDate": "20220101", "StudyDate": "20200101", "PatientAge": "001Y"}, 1.0,
         "PatientBirthDate': the dates give no age of 0 to 120 years; PatientAge is taken if there"),
    ],
)  # fmt: skip
def test_age_in_the_photo(tmp_path, tags, age, message):
    result = DicomPhotoImporter().read(dicom(tmp_path / "a.dcm", **tags))
    found = result.cases[0][1].photos[0].age_years
    assert found == (age if age is None else pytest.approx(age))
    assert [line for line in told(result) if "identifying" not in line] == (
        [f"a.dcm, row 1, column '{message}"] if message else []
    )


def test_what_should_be_looked_at_is_told(tmp_path):
    path = dicom(
        tmp_path / "a.dcm",
        PatientIdentityRemoved=None,
        BurnedInAnnotation="YES",
        PatientSex="X",
        CountryOfResidence="Utopia",
    )
    result = DicomPhotoImporter().read(path)
    assert result.cases[0][1].patient == Patient("P_7")
    assert told(result)[:4] == [
        "a.dcm, row 1, column 'PatientSex': 'X' is not known, taken as unknown; write F, M or O",
        "a.dcm, row 1, column 'CountryOfResidence': 'Utopia' is left out; write e.g. TW or Taiwan",
        "a.dcm, row 1, column 'PatientID': taken as it is, though the file does not say that the patient's identity "
        "was removed; make sure that it is a pseudonym",
        "a.dcm, row 1, column 'BurnedInAnnotation': the picture itself may show a name or a date; look at it",
    ]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, r"a.dcm: it is a CT Image Storage; only VL Photographic Image "),
        ({"NumberOfFrames": 3}, "a.dcm: 3 frames; a single photo is needed"),
        ({"PatientID": ""}, "a.dcm: there is no PatientID; give the patient a pseudonymous id"),
        ({"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}, "16 bits a sample; photos have 8, export it again"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colours are PALETTE COLOR; allowed are RGB, YBR_FULL"),
        ({"Rows": 60_000, "Columns": 60_000}, "60000 x 60000 pixels; at most 64 megapixels are read"),
        ({"Rows": 0}, "45 x 0 pixels|61 x 0 pixels; at most 64 megapixels are read"),
        ({"syntax": JPEGLSLossless, "PixelData": pydicom.encaps.encapsulate([b"xx"])},
         "compressed as JPEG-LS Lossless Image Compression, which cannot be decoded here; export it uncompressed"),
        ({"SOPInstanceUID": None}, "damaged DICOM"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, tags, message):
    path = dicom(tmp_path / "a.dcm", **tags)
    with pytest.raises(InputError, match=message):
        DicomPhotoImporter().read(path)


def test_a_folder_joins_photos_of_a_patient_and_names_the_others(tmp_path):
    (tmp_path / "sub").mkdir()
    dicom(tmp_path / "a.dcm", PatientAge="001Y")
    dicom(tmp_path / "sub" / "IMG0001", PatientAge="005Y", image=drawn(2))
    dicom(tmp_path / "c.dcm", PatientSex="M", image=drawn(3))
    dicom(tmp_path / "d.dcm", PatientID="Q", PatientSex="M", SOPInstanceUID="1.9")
    dicom(tmp_path / "e.dcm", PatientID="Q", PatientSex="M", SOPInstanceUID="1.9")
    (tmp_path / "f.dcm").write_bytes(b"not DICOM")
    (tmp_path / "notes.txt").write_text("hello")
    result = DicomPhotoImporter().read(tmp_path)
    assert [(n, c.id, [p.age_years for p in c.photos]) for n, c in result.cases] == [
        (1, "P_7", [1.0, None, 5.0]),
        (3, "Q", [None]),
    ]
    assert [line for line in told(result) if "identifying" not in line] == [
        "c.dcm, row 1, column 'PatientID': sex, ethnic group or country differ from an earlier file of the patient, "
        "taken as there; correct one",
        "e.dcm, row 1: dropped: another file holds the same photo (SOPInstanceUID); keep one",
        "f.dcm, row 1: dropped: not a DICOM file; give one that begins with a DICOM header",
    ]
    assert len({read_photo(get()).pixel_sha256 for get in result.photo_files.values()}) == 3


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, RLELossless])
def test_compressed_pixels(tmp_path, syntax):
    path = dicom(tmp_path / "a.dcm", image=drawn(size=(64, 48)))
    dataset = pydicom.dcmread(path)
    if syntax == RLELossless:
        dataset.compress(syntax, generate_instance_uid=False)
    else:
        out = io.BytesIO()
        drawn(size=(64, 48)).save(out, "JPEG", quality=95, subsampling=0)
        dataset.PixelData = pydicom.encaps.encapsulate([out.getvalue()])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.save_as(path)
    pixels = read_photo(photo_png(path)).pixels.astype(int)
    assert np.abs(pixels - np.asarray(drawn(size=(64, 48)), dtype=int)).mean() < 2


def test_grey_photos_become_pictures(tmp_path):
    grey = drawn(size=(64, 48)).convert("L")
    path = dicom(tmp_path / "a.dcm", image=grey, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
                 PlanarConfiguration=None)  # fmt: skip
    assert read_photo(photo_png(path)).pixel_sha256 == pixel_sha256(np.asarray(grey.convert("RGB")))


def test_pixels_that_are_cut_off(tmp_path):
    path = dicom(tmp_path / "a.dcm", PixelData=b"\0" * 100)
    photo_id, get = next(iter(DicomPhotoImporter().read(path).photo_files.items()))
    with pytest.raises(PhotoError, match=r"a.dcm: the picture is damaged or cut off \(.*; fetch it again"):
        get()
    assert photo_id.startswith("dicom-")


def test_missing_files_folders_and_packages(tmp_path, monkeypatch):
    importer = DicomPhotoImporter()
    with pytest.raises(InputError, match="has no DICOM files; give a file or a folder of them"):
        importer.read(tmp_path)
    with pytest.raises(InputError, match=r"none: cannot be read \(No such file or directory\); give a DICOM file"):
        importer.read(tmp_path / "none")
    path = dicom(tmp_path / "a")
    assert importer.sniff(path)
    assert importer.sniff(tmp_path)
    assert not importer.sniff(tmp_path / "none")
    plain = builtins.__import__

    def without_pydicom(name, *args, **kwargs):
        if name == "pydicom":
            raise ImportError(name)
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pydicom)
    with pytest.raises(InputError, match=r"DICOM needs the package pydicom; run: pip install 'deciface\[dicom\]'"):
        importer.read(path)


def png(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def images_of(**images):
    def image(photo_id):
        if photo_id not in images:
            raise InputError(f"photo '{photo_id}' is described only")
        return png(images[photo_id])

    return image


def test_our_files_are_pseudonymous_and_read_back(tmp_path):
    images = {"a": drawn(1), "b": drawn(2)}
    case = Case(Patient("病人 1", Sex.MALE, country="TW"), (Diagnosis(Disorder("D", "D")),))
    case = case.with_photos(
        [
            case.photo("a", age_years=4.5),
            case.photo("b", age_years=21 / 365.25),
            case.photo("c", view=PhotoView.FRONTAL),
        ]
    )
    written = DicomPhotoExporter(images_of(**images)).write([case, Case(Patient("q"))], tmp_path / "out")
    assert written.files == (tmp_path / "out" / "000001.dcm", tmp_path / "out" / "000002.dcm")
    assert written.losses == (
        "DICOM has no place for country (1)",
        "DICOM has no place for diagnoses (1)",
        "DICOM has no place for ids of photos (2)",
        "DICOM has no place for patients without photos (1)",
        "DICOM has no place for photos without pixels here (not written) (1)",
    )
    result = DicomPhotoImporter().read(tmp_path / "out")
    assert [p for p in told(result) if "identifying" not in p] == []
    ((_, back),) = result.cases
    assert back.patient == Patient("病人 1", Sex.MALE)
    assert [photo.age_years for photo in back.photos] == [4.5, pytest.approx(21 / 365.25)]
    hashes = [read_photo(result.photo_files[photo.id]()).pixel_sha256 for photo in back.photos]
    assert hashes == [pixel_sha256(np.asarray(image)) for image in images.values()]
    dataset = pydicom.dcmread(written.files[0])
    assert (dataset.SOPClassUID, dataset.PatientIdentityRemoved) == (VL_PHOTOGRAPHIC, "YES")
    assert not [e for e in dataset if e.VR in ("DA", "TM", "DT") and e.value]
    assert not [e for e in dataset if e.VR == "PN" and e.value and str(e.value) != "病人 1"]


def test_the_same_photo_is_written_as_the_same_file(tmp_path):
    case = Case(Patient("p"))
    case = case.with_photos([case.photo("a")])
    for name in ("one", "two"):
        DicomPhotoExporter(images_of(a=drawn())).write([case], tmp_path / name)
    one, two = ((tmp_path / name / "000001.dcm").read_bytes() for name in ("one", "two"))
    assert one == two


def test_targets_and_ids_that_do_not_fit(tmp_path):
    exporter = DicomPhotoExporter(images_of(a=drawn()))
    with pytest.raises(StorageError, match="exists already"):
        exporter.write([], tmp_path)
    with pytest.raises(StorageError, match=r"the patient id 'a\\b' does not fit DICOM; up to 64 characters"):
        exporter.write([Case(Patient("a\\b"))], tmp_path / "out")
    with pytest.raises(NothingFoundError, match="no photo has its image here"):
        exporter.write([Case(Patient("p"))], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("years", "text"), [(0, "000D"), (0.5, "006M"), (1.99, "023M"), (83, "996M"), (99.9, "099Y")])
def test_ages_as_dicom_writes_them(years, text):
    assert age_string(years) == text


def fuzz(folder, runs, seed):
    """Damaged files give a case or one line; returns how many gave a case."""
    rng = random.Random(seed)
    seed_file = dicom(
        folder / "seed", PatientName="Doe", PatientBirthDate="20200105", StudyDate="20240705", PatientAge="004Y"
    )
    whole, path, good = seed_file.read_bytes(), folder / "x", 0
    for _ in range(runs):
        raw = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            raw[rng.randrange(132, 900)] = rng.randrange(256)
        path.write_bytes(raw[: rng.choice([len(raw), len(raw), rng.randrange(len(raw))])])
        try:
            result = DicomPhotoImporter().read(path)
            for get in result.photo_files.values():
                get()
        except DeciFaceError as error:
            lines = [str(error)]
        else:
            lines = told(result)
            good += 1
        assert all(len(line.splitlines()) == 1 for line in lines)
    return good


def test_damaged_files_give_a_case_or_one_line(tmp_path):
    assert fuzz(tmp_path, 150, 1) > 20


@pytest.mark.slow
def test_three_thousand_damaged_files(tmp_path):
    assert fuzz(tmp_path, 3000, 2) > 300
