"""Named proportions of a face, read from the 468-point mesh.

The points follow Farkas (Anthropometry of the Head and Face, 2nd ed. 1994) as far as the mesh has them: ex and en outer
and inner canthus, n nasion (between the eyes on the nasal ridge), sn subnasale, al alare, ls and li upper and lower end
of the vermilion, sto stomion, ch corner of the mouth, gn gnathion, zy and go side of the face at cheek and jaw.

The mesh regresses to its template: over the 102 neutral photos of the London set its intercanthal index has a standard
deviation of .005 where the manually placed points give .024. These numbers say how the network sees a face and what an
encoding is made of. They are not clinical measurements and have no norms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]

_EX_EX: tuple[Pair, ...] = ((33, 263),)
_EN_EN: tuple[Pair, ...] = ((133, 362),)
_FISSURES: tuple[Pair, ...] = ((33, 133), (263, 362))
_N_GN: tuple[Pair, ...] = ((168, 152),)
_SN_GN: tuple[Pair, ...] = ((2, 152),)
_CH_CH: tuple[Pair, ...] = ((61, 291),)
_ZY_ZY: tuple[Pair, ...] = ((234, 454),)


@dataclass(frozen=True, slots=True)
class Proportion:
    """A ratio of mean distances between mesh points, without unit.

    Parameters
    ----------
    name
        As in the answer of `Geometry.measurements`.
    definition
        In anthropometric terms.
    above, below
        Pairs of mesh points whose mean distance is numerator and denominator.
    kind
        ``distance``: both are distances. ``rise``: the numerator is how much higher the first point of a pair stands.
    """

    name: str
    definition: str
    above: tuple[Pair, ...]
    below: tuple[Pair, ...]
    kind: Literal["distance", "rise"] = "distance"

    def of(self, shape: NDArray[np.float64]) -> float:
        """Value for an upright shape (468, 2), x right, y down."""
        ends = np.array(self.above)
        gap = shape[ends[:, 1]] - shape[ends[:, 0]]
        over = gap[:, 1].mean() if self.kind == "rise" else np.hypot(gap[:, 0], gap[:, 1]).mean()
        base = np.array(self.below)
        under = shape[base[:, 1]] - shape[base[:, 0]]
        return float(over / np.hypot(under[:, 0], under[:, 1]).mean())


PROPORTIONS: tuple[Proportion, ...] = (
    Proportion("intercanthal_index", "en-en / ex-ex", _EN_EN, _EX_EX),
    Proportion("palpebral_fissure_length", "mean ex-en / ex-ex", _FISSURES, _EX_EX),
    Proportion("palpebral_fissure_height", "mean lid opening / mean ex-en", ((159, 145), (386, 374)), _FISSURES),
    Proportion("palpebral_slant", "mean height of ex over en / mean ex-en", _FISSURES, _FISSURES, "rise"),
    Proportion("eyebrow_height", "mean brow to upper lid / ex-ex", ((105, 159), (334, 386)), _EX_EX),
    Proportion("biocular_to_face_width", "ex-ex / zy-zy", _EX_EX, _ZY_ZY),
    Proportion("nasal_index", "al-al / n-sn", ((64, 294),), ((168, 2),)),
    Proportion("nose_length", "n-sn / n-gn", ((168, 2),), _N_GN),
    Proportion("nose_width_to_intercanthal", "al-al / en-en", ((64, 294),), _EN_EN),
    Proportion("philtrum_length", "sn-ls / n-gn", ((2, 0),), _N_GN),
    Proportion("mouth_width", "ch-ch / ex-ex", _CH_CH, _EX_EX),
    Proportion("upper_vermilion_height", "ls-sto / ch-ch", ((0, 13),), _CH_CH),
    Proportion("lower_vermilion_height", "sto-li / ch-ch", ((14, 17),), _CH_CH),
    Proportion("lower_face_height", "sn-gn / n-gn", _SN_GN, _N_GN),
    Proportion("chin_height", "li-gn / sn-gn", ((17, 152),), _SN_GN),
    Proportion("facial_index", "n-gn / zy-zy", _N_GN, _ZY_ZY),
    Proportion("mandible_width", "go-go / zy-zy", ((172, 397),), _ZY_ZY),
    Proportion("forehead_height", "top of the mesh to n / n-gn", ((10, 168),), _N_GN),
)


def proportions_of(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """All `PROPORTIONS` of an upright shape (468, 2), in their order."""
    return np.array([p.of(shape) for p in PROPORTIONS])
