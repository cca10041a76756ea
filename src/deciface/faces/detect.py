"""Face detectors: both MediaPipe ranges, and YuNet where the user supplies it.

The two MediaPipe networks (BlazeFace, Bazarevsky et al. 2019, arXiv:1907.05047) fail on different photos: the short
range on small faces, the full range on tight crops. Both are run and their answers merged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deciface.errors import ModelError
from deciface.faces.face import Detection
from deciface.faces.litert import Network, stderr_closed
from deciface.faces.pyramid import Pyramid


class Detector(Protocol):
    """Anything that finds faces. Plug-ins must pass the conformance suite of `deciface.testing`."""

    name: str

    def find(self, photo: Pyramid) -> tuple[Detection, ...]:
        """Find faces in a photo, in photo_px; best score first; empty when there is none."""
        ...


def _anchors(size: int, layers: tuple[tuple[int, int], ...]) -> NDArray[np.float32]:
    """Anchor centres in [0, 1]; `layers` are (stride in px, anchors a cell)."""
    centres = []
    for stride, count in layers:
        cells = size // stride
        y, x = np.mgrid[:cells, :cells]
        grid = np.stack([x, y], -1).reshape(-1, 1, 2).repeat(count, 1).reshape(-1, 2)
        centres.append((grid + 0.5) / cells)
    return np.concatenate(centres).astype(np.float32)


def _letterbox(photo: Pyramid, size: int) -> tuple[NDArray[np.uint8], float, NDArray[np.float32]]:
    """Fit into a size x size square, centred on black; return it, the scale from photo_px and the offset (x, y)."""
    import cv2

    image, halvings = photo.down_to(size)
    h, w = image.shape[:2]
    scale = size / max(h, w)
    inner = (max(1, round(w * scale)), max(1, round(h * scale)))
    out = np.zeros((size, size, 3), np.uint8)
    x, y = (size - inner[0]) // 2, (size - inner[1]) // 2
    out[y : y + inner[1], x : x + inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    return out, scale / 2**halvings, np.array([x, y], np.float32)


class BlazeFace:
    """One MediaPipe detector.

    Parameters
    ----------
    path
        The ``.tflite`` file.
    reach
        ``"short"`` (128 px input, faces that fill the photo) or ``"full"`` (192 px input, small faces too).
    threshold
        Smallest score that counts; MediaPipe's own are .5 and .6.
    """

    def __init__(self, path: Path, reach: str, *, threshold: float | None = None) -> None:
        self.name = f"mediapipe-{reach}"
        self.size, layers = (128, ((8, 2), (16, 6))) if reach == "short" else (192, ((4, 1),))
        self.threshold = threshold if threshold is not None else (0.5 if reach == "short" else 0.6)
        self._least_logit = float(np.log(self.threshold / (1 - self.threshold)))
        self._anchors = _anchors(self.size, layers)
        n = len(self._anchors)
        self._net = Network(path, (1, self.size, self.size, 3), outputs=[(1, n, 16), (1, n, 1)])

    def find(self, photo: Pyramid) -> tuple[Detection, ...]:
        """Find faces, in photo_px; best first."""
        box, scale, offset = _letterbox(photo, self.size)
        raw, logit = self._net.run(np.multiply(box[None], np.float32(1 / 127.5), dtype=np.float32) - np.float32(1))
        keep = np.flatnonzero(logit[0, :, 0] >= self._least_logit)
        if not keep.size:
            return ()
        keep = keep[np.argsort(-logit[0, keep, 0], kind="stable")][:200]
        score = (1 / (1 + np.exp(-np.minimum(logit[0, keep, 0], 80)))).astype(np.float32)
        values = raw[0, keep].reshape(-1, 8, 2)
        values[:, [0, 2, 3, 4, 5, 6, 7]] += self._anchors[keep, None] * self.size
        centre, extent = values[:, 0], values[:, 1]
        points = ((values[:, 2:] - offset) / scale).astype(np.float32)
        corners = np.concatenate([centre - extent / 2, centre + extent / 2], 1)
        corners = ((corners - np.tile(offset, 2)) / scale).astype(np.float32)
        return _blend(corners, points, score, self.name)


def _overlap(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box (4,) with many (n, 4)."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    return np.asarray(shared / np.maximum(area, 1e-6), np.float32)


def _blend(
    boxes: NDArray[np.float32], points: NDArray[np.float32], scores: NDArray[np.float32], name: str
) -> tuple[Detection, ...]:
    """Weighted non-maximum suppression (as BlazeFace: overlapping answers are averaged by score)."""
    found, left = [], np.arange(len(boxes))
    while left.size:
        same = _overlap(boxes[left[0]], boxes[left]) > 0.3
        same[0] = True
        group = left[same]
        weight = scores[group] / scores[group].sum()
        box = weight @ boxes[group]
        keypoints = np.tensordot(weight, points[group], 1).astype(np.float32)
        found.append(
            Detection(
                (float(box[0]), float(box[1]), float(box[2]), float(box[3])), keypoints, float(scores[group[0]]), name
            )
        )
        left = left[~same]
    return tuple(found)


class YuNet:
    """YuNet by OpenCV's FaceDetectorYN (Wu et al. 2023), from a file that the user supplies.

    It looks at the smallest halving of the photo that is at least `side_px` long.
    """

    name = "yunet"

    def __init__(self, path: Path, *, threshold: float = 0.7, side_px: int = 480) -> None:
        import cv2

        try:
            with stderr_closed():
                self._net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), threshold, 0.3, 50)
        except cv2.error as error:
            raise ModelError(f"{path.name} is no YuNet network that OpenCV {cv2.__version__} reads") from error
        self._side = side_px

    def find(self, photo: Pyramid) -> tuple[Detection, ...]:
        """Find faces, in photo_px; best first."""
        small, halvings = photo.down_to(self._side)
        scale = 0.5**halvings
        self._net.setInputSize((small.shape[1], small.shape[0]))
        _, rows = self._net.detect(np.ascontiguousarray(small[..., ::-1]))
        found = []
        for row in rows if rows is not None else ():
            x, y, width, height = (float(v) / scale for v in row[:4])
            p = row[4:14].reshape(5, 2).astype(np.float32) / np.float32(scale)
            eyes, mouth = p[:2], (p[3] + p[4]) / 2
            keypoints = np.stack([eyes[0], eyes[1], p[2], mouth, eyes[0], eyes[1]]).astype(np.float32)
            found.append(Detection((x, y, x + width, y + height), keypoints, float(row[14]), self.name))
        return tuple(sorted(found, key=lambda d: -d.score))


def merge(detections: list[Detection]) -> list[Detection]:
    """Keep one detection a face over several detectors: of overlapping ones, the best score first."""
    kept: list[Detection] = []
    for one in sorted(detections, key=lambda d: -d.score):
        boxes = np.array([k.box_px for k in kept], np.float32).reshape(-1, 4)
        if not kept or _overlap(np.array(one.box_px, np.float32), boxes).max() < 0.3:
            kept.append(one)
    return kept
