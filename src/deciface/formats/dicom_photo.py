"""DICOM VL Photographic Images, in (`dicom_photo_in`) and out (`dicom_photo_out`)."""

from deciface.formats.dicom_photo_in import VL_PHOTOGRAPHIC, DicomPhotoImporter, photo_png
from deciface.formats.dicom_photo_out import DicomPhotoExporter

__all__ = ["VL_PHOTOGRAPHIC", "DicomPhotoExporter", "DicomPhotoImporter", "photo_png"]
