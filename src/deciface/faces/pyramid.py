"""A photo and its halvings, so that every crop starts from the level nearest to its own size.

Exact halving (the mean of each 2 x 2 block) is vectorised and never aliases; it is done once a photo and level, and
shared by detectors, meshes, crops and checks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FROM_HALF = np.array([[2.0, 0.0, 0.5], [0.0, 2.0, 0.5], [0.0, 0.0, 1.0]])
"""From pixels of a half-size picture to those of the picture, both counted from the first pixel's centre."""


def halve(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mean of each 2 x 2 block of an (h, w, 3) picture; an odd last row or column is left out."""
    import cv2

    h, w = image.shape[:2]
    even = image[: h // 2 * 2, : w // 2 * 2]
    return np.asarray(cv2.resize(even, (w // 2, h // 2), interpolation=cv2.INTER_AREA), np.uint8)


class Pyramid:
    """An (h, w, 3) uint8 sRGB photo with its halvings, made when first needed.

    Parameters
    ----------
    image
        The photo. A pyramid is taken as it is.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._levels = [image]

    @classmethod
    def of(cls, image: NDArray[np.uint8] | Pyramid) -> Pyramid:
        """The pyramid of a photo, or the pyramid that was given."""
        return image if isinstance(image, Pyramid) else cls(image)

    @property
    def image(self) -> NDArray[np.uint8]:
        """The photo itself."""
        return self._levels[0]

    def level(self, number: int) -> NDArray[np.uint8]:
        """The photo halved so many times; fewer where it would vanish."""
        while len(self._levels) <= number and min(self._levels[-1].shape[:2]) >= 4:
            self._levels.append(halve(self._levels[-1]))
        return self._levels[min(number, len(self._levels) - 1)]

    def down_to(self, side_px: int) -> tuple[NDArray[np.uint8], int]:
        """The smallest level whose longer side is at least `side_px`, and its number; level 0 where none is."""
        number = 0
        while max(self.level(number).shape[:2]) >= 2 * side_px and min(self.level(number).shape[:2]) >= 8:
            number += 1
        return self.level(number), number

    def cut(self, matrix: NDArray[np.float64], size_px: int) -> NDArray[np.uint8]:
        """Warp into an upright (size_px, size_px, 3) square.

        Parameters
        ----------
        matrix
            Affine (2, 3) from photo_px to the square.
        size_px
            Side of the square. Beyond the photo its border is continued.
        """
        import cv2

        scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        number, m = 0, matrix
        while scale <= 0.5 and min(self.level(number).shape[:2]) >= 8:
            number, m, scale = number + 1, m @ _FROM_HALF, scale * 2
        out = cv2.warpAffine(
            self.level(number), m, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(out, np.uint8)
