"""Aligned crops: mesh points carried onto a template.

By a least-squares similarity transform (scale, rotation, translation, no reflection; Umeyama 1991).

``arcface-112``
    The 112 x 112 template of ArcFace (Deng et al. 2019) that GestaltMatcher-Arc and InsightFace networks expect:
    eyes, nose tip, corners of the mouth.
``dlib-150``
    The 150 x 150 chip that dlib's face recognition network was trained on. The targets are where the mesh's canthi and
    base of the nose lie, on the mean, in dlib's own chips (5 points, padding .25) of 154 photos, made symmetric.
``mesh-256``
    Face with a wide margin, for networks that look for landmarks themselves, and for reports.
``grey-100``
    100 x 100 luminance, the input size of the GestaltMatcher 2022 and DeepGestalt networks.
``wide-128``
    128 x 128 luminance from the hairline to below the chin, ears included, for ``deciface-dysmorphic``.
``wide-256``
    256 x 256 in colour, a little wider, for ``deciface-landmarks``.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.faces.face import Face
from deciface.faces.pyramid import Pyramid

CROP_VERSION = "1"
"""Counted up whenever crops change in any way; vectors of other crop versions are stale and never compared."""

_EYE_LEFT = (33, 133, 159, 145)
_EYE_RIGHT = (263, 362, 386, 374)
_FIVE = (_EYE_LEFT, _EYE_RIGHT, (1,), (61,), (291,))


@dataclass(frozen=True, slots=True)
class Template:
    """Where mesh points go in an upright square crop.

    Parameters
    ----------
    name, size_px
        The crop is size_px x size_px.
    points
        For each target, the mesh indices whose mean goes there.
    targets_px
        (k, 2) positions in the crop, x right, y down, from the centre of the first pixel.
    grey
        True: the crop is luminance (ITU-R BT.601), repeated over three channels.
    """

    name: str
    size_px: int
    points: tuple[tuple[int, ...], ...]
    targets_px: tuple[tuple[float, float], ...]
    grey: bool = False

    @property
    def version(self) -> str:
        """Name and crop version, as carried by every encoding."""
        return f"{self.name}/{CROP_VERSION}"


_ARCFACE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))


def _scaled(scale: float, dx: float, dy: float) -> tuple[tuple[float, float], ...]:
    return tuple((x * scale + dx, y * scale + dy) for x, y in _ARCFACE)


TEMPLATES = MappingProxyType(
    {
        t.name: t
        for t in (
            Template("arcface-112", 112, _FIVE, _ARCFACE),
            Template(
                "dlib-150",
                150,
                ((33,), (133,), (362,), (263,), (2,)),
                ((34.80, 46.30), (58.83, 47.29), (89.33, 47.29), (113.36, 46.30), (74.08, 84.49)),
            ),
            Template("mesh-256", 256, _FIVE, _scaled(1.42, 48.4, 40.0)),
            Template("grey-100", 100, _FIVE, _scaled(0.78, 6.3, 4.0), grey=True),
            Template("wide-128", 128, _FIVE, _scaled(1.09, 2.932, -14.3), grey=True),
            Template("wide-256", 256, _FIVE, _scaled(2.07104, 12.2712, -20.468)),
        )
    }
)


def template(name: str) -> Template:
    """Look a template up.

    Raises
    ------
    OptionError
        When there is none of that name.
    """
    if name not in TEMPLATES:
        raise OptionError(f"alignment '{name}' is not known; allowed are {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Least-squares similarity (2, 3) that carries source (k, 2) onto target (k, 2), without reflection."""
    s = np.asarray(source, np.float64)
    t = np.asarray(target, np.float64)
    cs, ct = s.mean(0), t.mean(0)
    zs = (s - cs) @ [1, 1j]
    zt = (t - ct) @ [1, 1j]
    z = np.vdot(zs, zt) / np.vdot(zs, zs).real
    m = np.array([[z.real, -z.imag, 0.0], [z.imag, z.real, 0.0]])
    m[:, 2] = ct - m[:, :2] @ cs
    return m


def alignment(face: Face, template_name: str) -> NDArray[np.float64]:
    """Affine (2, 3) from photo_px to the crop."""
    t = template(template_name)
    source = np.stack([face.mesh_px[list(i), :2].mean(0) for i in t.points])
    return similarity(source, np.array(t.targets_px))


def align(image: NDArray[np.uint8] | Pyramid, face: Face, template_name: str) -> NDArray[np.uint8]:
    """Cut the aligned crop (s, s, 3) uint8 of a face out of an (h, w, 3) uint8 sRGB photo.

    Shrinking averages areas first, so nothing aliases; beyond the photo's edge its border is continued.
    """
    import cv2

    t = template(template_name)
    crop = Pyramid.of(image).cut(alignment(face, template_name), t.size_px)
    if t.grey:
        crop = np.repeat(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return crop
