"""From a photo to plausible faces.

A detector's box and even a mesh prove nothing: upside-down photos get both, wrongly. A mesh is returned only when

* the mesh network is sure of a face (logit),
* clearly surer than of the same crop turned upside down, and
* the mesh of the mirrored crop is the mirrored mesh (a wrong one is not).

When nothing plausible is found the photo is tried in seven more turns of 45 degrees. Limits were set on rotated,
darkened, blurred and shrunken photos (docs/faces.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.errors import NoFaceError, OptionError
from deciface.faces.detect import BlazeFace, Detector, YuNet, merge
from deciface.faces.face import OUTER_CANTHI, Detection, Face
from deciface.faces.mesh import (
    MESH_INPUT_PX,
    MESH_MARGIN,
    FaceMesh,
    IrisNetwork,
    invert,
    lit,
    pose_of,
    square_matrix,
    to_photo,
)
from deciface.faces.pyramid import Pyramid
from deciface.models import ModelState, ModelStore
from deciface.plugins import plugins

LEAST_LOGIT = 8.0
SURE_LOGIT = 18.0
"""Upside-down crops of 102 faces in twelve conditions never reached 14."""
LEAST_LEAD_OVER_UPSIDE_DOWN = 4.0
LARGEST_DISAGREEMENT = 0.05
LEAST_OUTER_CANTHAL_PX = 12.0
MOST_FACES = 12
TURN_SIDE_PX = 512
"""Photos are shrunk to this for the search in other turns."""


@dataclass(frozen=True, slots=True)
class Finding:
    """All plausible faces of a photo, largest first, and how many detections were refused as implausible."""

    faces: tuple[Face, ...]
    refused: int

    def choose(self, number: int | None = None) -> Face:
        """The largest face, or number 1, 2, ... in order of size.

        Raises
        ------
        NoFaceError
            When there is none.
        OptionError
            When there is no face of that number.
        """
        if not self.faces:
            seen = f"; {self.refused} face-like place(s) were looked at and refused" if self.refused else ""
            raise NoFaceError(
                f"no face found{seen}: a frontal photo with the whole face, at least "
                f"{LEAST_OUTER_CANTHAL_PX:.0f} px between the outer corners of the eyes, is needed"
            )
        if number is not None and not 1 <= number <= len(self.faces):
            raise OptionError(f"--face {number}: the photo has {len(self.faces)} face(s), numbered from 1 by size")
        return self.faces[(number or 1) - 1]


class FaceFinder:
    """Detectors, mesh and irises together. One thread; may be shared by threads.

    Parameters
    ----------
    detectors
        Tried all; their answers are merged.
    mesh, iris
        The two landmark networks.
    """

    def __init__(self, detectors: Sequence[Detector], mesh: FaceMesh, iris: IrisNetwork) -> None:
        self._detectors, self._mesh, self._iris = tuple(detectors), mesh, iris

    @classmethod
    def from_store(cls, store: ModelStore) -> FaceFinder:
        """Load the networks of `deciface models fetch`, YuNet where it was added, and detectors of plug-ins.

        A plug-in is an entry point of the group ``deciface.detectors``, see `deciface.testing`.

        Raises
        ------
        ModelError
            When a file is missing or altered.
        """
        detectors: list[Detector] = [
            BlazeFace(store.path("mediapipe-face-short"), "short"),
            BlazeFace(store.path("mediapipe-face-full"), "full"),
        ]
        if any(s.card.id == "yunet" and s.state is ModelState.PRESENT for s in store.status()):
            detectors.append(YuNet(store.path("yunet")))
        detectors += [opened() for opened in plugins("deciface.detectors").values()]
        return cls(detectors, FaceMesh(store.path("mediapipe-mesh")), IrisNetwork(store.path("mediapipe-iris")))

    def find(self, image: NDArray[np.uint8] | Pyramid) -> Finding:
        """Find all plausible faces in an (h, w, 3) uint8 sRGB photo, largest first."""
        photo = Pyramid.of(image)
        finding = self._among(photo, self._detect(photo))
        if finding.faces:
            return finding
        refused = finding.refused
        best: Finding | None = None
        for turn_deg in (180, 90, 270, 45, 315, 135, 225):
            finding = self._among(photo, self._detect_turned(photo, turn_deg))
            refused = max(refused, finding.refused)
            if finding.faces and (best is None or finding.faces[0].presence_logit > best.faces[0].presence_logit):
                best = finding
                if best.faces[0].presence_logit > 2 * LEAST_LOGIT:
                    break
        return best or Finding((), refused)

    def _detect(self, photo: Pyramid) -> list[Detection]:
        return merge([d for detector in self._detectors for d in detector.find(photo)])[:MOST_FACES]

    def _detect_turned(self, photo: Pyramid, turn_deg: float) -> list[Detection]:
        """Detect in the photo turned by an angle; boxes and points are carried back to photo_px."""
        h, w = photo.image.shape[:2]
        centre = np.array([w / 2, h / 2])
        matrix = square_matrix(centre, float(np.hypot(w, h)), roll_deg=turn_deg, out_px=TURN_SIDE_PX)
        if turn_deg % 90 == 0:  # nothing sticks out of a quarter turn: keep the faces larger
            matrix = square_matrix(centre, float(max(w, h)), roll_deg=turn_deg, out_px=TURN_SIDE_PX)
        inverse = invert(matrix)
        found = []
        for d in self._detect(Pyramid(photo.cut(matrix, TURN_SIDE_PX))):
            points = (d.keypoints_px @ inverse[:, :2].T + inverse[:, 2]).astype(np.float32)
            x0, y0, x1, y1 = d.box_px
            c = inverse[:, :2] @ [(x0 + x1) / 2, (y0 + y1) / 2] + inverse[:, 2]
            half = d.size_px / 2 * np.sqrt(abs(np.linalg.det(inverse[:, :2])))
            box = (float(c[0] - half), float(c[1] - half), float(c[0] + half), float(c[1] + half))
            found.append(Detection(box, points, d.score, d.detector))
        return found

    def _among(self, photo: Pyramid, detections: Sequence[Detection]) -> Finding:
        faces: list[Face] = []
        refused = 0
        for detection in detections:
            face = self._face(photo, detection)
            if face is None:
                refused += 1
            elif all(np.hypot(*(face.mesh_px[1, :2] - f.mesh_px[1, :2])) > 0.5 * f.outer_canthal_px for f in faces):
                faces.append(face)
        return Finding(tuple(sorted(faces, key=lambda f: -f.area_px)), refused)

    def _face(self, photo: Pyramid, detection: Detection) -> Face | None:
        """Follow one detection to a mesh and accept it only when plausible."""
        x0, y0, x1, y1 = detection.box_px
        centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        side = MESH_MARGIN * max(x1 - x0, y1 - y0)
        roll = detection.roll_deg
        crop_points, logit, crop, matrix = self._look(photo, centre, side, roll)
        for _ in range(3):
            turned_points, turned_logit = self._upside_down(crop, logit)
            if turned_logit > logit:
                crop_points, logit, roll = MESH_INPUT_PX - 1 - turned_points, turned_logit, roll + 180
            better = _square_of(to_photo(crop_points, matrix))
            drift = abs((better[2] - roll + 180) % 360 - 180)
            settled = drift < 8 and 0.87 < better[1] / side < 1.15 and np.hypot(*(better[0] - centre)) < 0.06 * side
            if settled and turned_logit <= logit - LEAST_LEAD_OVER_UPSIDE_DOWN:
                break
            centre, side, roll = better
            crop_points, logit, crop, matrix = self._look(photo, centre, side, roll)
        else:
            _, turned_logit = self._upside_down(crop, logit)
        mirrored = self._mesh.in_mirror(crop)
        canthi = crop_points[list(OUTER_CANTHI), :2]
        width = float(np.hypot(*(canthi[1] - canthi[0])))
        gap = np.hypot(*(crop_points - mirrored)[:, :2].T).mean() / max(width, 1e-6)
        mesh_px = to_photo(
            np.float32(0.5) * (crop_points + mirrored), matrix
        )  # the mean of both halves the network's noise
        real_width = np.hypot(*(mesh_px[OUTER_CANTHI[1], :2] - mesh_px[OUTER_CANTHI[0], :2]))
        if (
            logit < LEAST_LOGIT
            or logit - turned_logit < LEAST_LEAD_OVER_UPSIDE_DOWN
            or gap > LARGEST_DISAGREEMENT
            or real_width < LEAST_OUTER_CANTHAL_PX
        ):
            return None
        low, high = mesh_px[:, :2].min(0), mesh_px[:, :2].max(0)
        pose = pose_of(mesh_px)
        return Face(
            box_px=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
            mesh_px=mesh_px,
            iris_px=self._iris.find(photo, mesh_px, roll_deg=pose.roll_deg),
            presence_logit=logit,
            disagreement=float(gap),
            pose=pose,
            detector=detection.detector,
        )

    def _upside_down(self, crop: NDArray[np.uint8], logit: float) -> tuple[NDArray[np.float32], float]:
        """Mesh and logit of the crop turned by 180 degrees; not looked at when the crop is beyond doubt."""
        if logit >= SURE_LOGIT:
            return np.zeros((0, 3), np.float32), -np.inf
        return self._mesh.on_crop(np.ascontiguousarray(crop[::-1, ::-1]))

    def _look(
        self, photo: Pyramid, centre: NDArray[np.float64], side_px: float, roll_deg: float
    ) -> tuple[NDArray[np.float32], float, NDArray[np.uint8], NDArray[np.float64]]:
        matrix = square_matrix(centre, side_px, roll_deg=roll_deg, out_px=MESH_INPUT_PX)
        crop = lit(photo.cut(matrix, MESH_INPUT_PX))
        points, logit = self._mesh.on_crop(crop)
        return points, logit, crop, matrix


def _square_of(mesh_px: NDArray[np.float32]) -> tuple[NDArray[np.float64], float, float]:
    """Centre, side and roll of the square that the mesh network would best be given for this mesh."""
    eyes = mesh_px[list(OUTER_CANTHI), :2].astype(np.float64)
    d = eyes[1] - eyes[0]
    roll = float(np.degrees(np.arctan2(d[1], d[0])))
    c, s = np.cos(np.radians(-roll)), np.sin(np.radians(-roll))
    level = mesh_px[:, :2] @ np.array([[c, -s], [s, c]]).T
    low, high = level.min(0), level.max(0)
    centre = np.array([[c, s], [-s, c]]) @ ((low + high) / 2)
    return centre, float(MESH_MARGIN * (high - low).max()), roll
