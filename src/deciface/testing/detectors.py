"""What every detector must do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deciface.faces import Detector, Pyramid


def check_detector(detector: Detector, image: NDArray[np.uint8], *, eyes_px: NDArray[np.floating]) -> None:
    """Check a detector against the `Detector` protocol.

    Parameters
    ----------
    detector
        To be checked.
    image
        (h, w, 3) uint8 photo with one upright frontal face.
    eyes_px
        (2, 2) true eye centres in photo_px: the one on the left of the picture, then the other.

    Raises
    ------
    AssertionError
        What was expected and what was found.
    """
    name = detector.name
    if not name:
        raise AssertionError("a detector needs a name")
    before = image.copy()
    found = detector.find(Pyramid(image))
    if not isinstance(found, tuple) or not found:
        raise AssertionError(f"{name}: found {found!r}; a tuple with one face is needed")
    if (image != before).any():
        raise AssertionError(f"{name}: changed the photo it was given")
    scores = [d.score for d in found]
    if scores != sorted(scores, reverse=True) or not all(0 <= s <= 1 for s in scores):
        raise AssertionError(f"{name}: scores {scores}; from 1 to 0, best first")
    best, between = found[0], float(np.hypot(*(eyes_px[1] - eyes_px[0])))
    if best.detector != name:
        raise AssertionError(f"{name}: signs its detections '{best.detector}'")
    if best.keypoints_px.shape != (6, 2) or best.keypoints_px.dtype != np.float32:
        raise AssertionError(f"{name}: keypoints {best.keypoints_px.shape} {best.keypoints_px.dtype}; (6, 2) float32")
    off = float(np.hypot(*(best.keypoints_px[:2] - eyes_px).T).max()) / between
    if off > 0.25:
        raise AssertionError(f"{name}: eyes off by {off:.2f} of their distance; are left and right swapped?")
    x0, y0, x1, y1 = best.box_px
    if not (x0 < eyes_px[:, 0].min() and eyes_px[:, 0].max() < x1 and y0 < eyes_px[:, 1].max() < y1):
        raise AssertionError(f"{name}: box {best.box_px} does not hold the eyes; photo_px are needed")
    for size in ((40, 40), (64, 600), (900, 48)):
        if detector.find(Pyramid(np.full((*size, 3), 127, np.uint8))):
            raise AssertionError(f"{name}: found a face in a grey picture of {size}")
