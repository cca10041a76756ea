"""Look at one photo: decode it, find the face, judge its quality."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deciface.faces import Face, FaceFinder, Finding, Pyramid, Quality, assess
from deciface.photos import DecodedPhoto, read_photo


@dataclass(frozen=True, slots=True)
class SeenPhoto:
    """A photo, the face that was chosen in it, how good it is, and the photo's halvings for further crops."""

    name: str
    photo: DecodedPhoto
    finding: Finding
    face: Face
    face_number: int
    quality: Quality
    pyramid: Pyramid

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know about how the photo was read, one sentence each."""
        others = len(self.finding.faces) - 1
        chosen = f"{others + 1} faces found; number {self.face_number} by size was taken" + (
            " (the largest): --face N chooses another" if self.face_number == 1 else ""
        )
        return (*self.photo.notes, *([chosen] if others else []))

    def as_document(self) -> dict[str, Any]:
        """Return what `deciface photo check --json` prints of a photo."""
        face, h_w = self.face, self.photo.pixels.shape
        return {
            "photo": self.name,
            "format": self.photo.format,
            "width_px": int(h_w[1]),
            "height_px": int(h_w[0]),
            "captured": self.photo.captured.isoformat() if self.photo.captured else None,
            "faces": len(self.finding.faces),
            "face": self.face_number,
            "box_px": [round(v, 1) for v in face.box_px],
            "outer_canthal_px": round(face.outer_canthal_px, 1),
            "yaw_deg": round(face.pose.yaw_deg, 1),
            "pitch_deg": round(face.pose.pitch_deg, 1),
            "roll_deg": round(face.pose.roll_deg, 1),
            "detector": face.detector,
            "quality": str(self.quality.verdict),
            "checks": [
                {
                    "name": c.name,
                    "value": c.value,
                    "unit": c.unit,
                    "limit": c.limit,
                    "verdict": str(c.verdict),
                    "advice": c.advice,
                }
                for c in self.quality.checks
            ],
            "remarks": list(self.remarks),
        }


def look(source: Path | bytes, finder: FaceFinder, *, name: str = "", face_number: int | None = None) -> SeenPhoto:
    """Decode a photo and choose a face in it, the largest unless `face_number` (from 1, by size) says otherwise.

    Raises
    ------
    PhotoError
        When it is no photo that can be decoded safely.
    NoFaceError, OptionError
        When there is no face, or none of that number.
    """
    shown = name or (source.name if isinstance(source, Path) else "photo")
    photo = read_photo(source, name=shown)
    pyramid = Pyramid(photo.pixels)
    finding = finder.find(pyramid)
    try:
        face = finding.choose(face_number)
    except Exception as error:
        error.args = (f"'{shown}': {error}",)
        raise
    return SeenPhoto(
        name=shown,
        photo=photo,
        finding=finding,
        face=face,
        face_number=face_number or 1,
        quality=assess(pyramid, face),
        pyramid=pyramid,
    )
