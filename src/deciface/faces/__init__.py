"""Find faces, landmarks, aligned crops and quality. Frames are explicit: photo_px, crop_px."""

from deciface.faces.align import CROP_VERSION, TEMPLATES, Template, align, alignment, template
from deciface.faces.detect import Detector
from deciface.faces.face import Detection, Face, Pose
from deciface.faces.find import FaceFinder, Finding
from deciface.faces.pyramid import Pyramid
from deciface.faces.quality import Check, Quality, Verdict, assess

__all__ = [
    "CROP_VERSION",
    "TEMPLATES",
    "Check",
    "Detection",
    "Detector",
    "Face",
    "FaceFinder",
    "Finding",
    "Pose",
    "Pyramid",
    "Quality",
    "Template",
    "Verdict",
    "align",
    "alignment",
    "assess",
    "template",
]
