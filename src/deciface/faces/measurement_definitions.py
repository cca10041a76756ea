"""What is measured on a face seen from the front: ratios and angles by name, unit and definition.

Definitions follow Elements of Morphology (Hall et al. 2009, Am J Med Genet A 149A:77; Carey et al. 2012) and Farkas
1994 as far as a photo from the front allows. A photo has no scale: distances are given over the face's own width
(between the upper attachments of the ears) and over the outer-canthal distance. Both are needed: with eyes that lie far
apart the outer-canthal distance grows too, and a ratio to it hides what it should show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deciface.faces.landmarks import Points, row_of

Values = NDArray[np.float64]
Of = Callable[[Points], Values]
OfSide = Callable[[Points, str], Values]


class Unit(StrEnum):
    """What a number is."""

    RATIO = "ratio"
    DEGREES = "degrees"

    @property
    def decimals(self) -> int:
        """How many are shown."""
        return 1 if self is Unit.DEGREES else 3


class Side(StrEnum):
    """The person's own side."""

    RIGHT = "right"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Term:
    """An HPO term: id and label."""

    id: str
    label: str

    def __str__(self) -> str:
        return f"{self.label}, {self.id}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement.

    Parameters
    ----------
    name
        As clinicians say it.
    unit
        Ratio or degrees.
    definition
        In anthropometric terms.
    of
        Takes (..., len(FACE_POINTS), 2) points, y down, in any frame, and gives (...).
    large, small
        What an unusually large or small value may stand for, where HPO has a term.
    """

    name: str
    unit: Unit
    definition: str
    of: Of
    large: Term | None = None
    small: Term | None = None


def _at(points: Points, name: str) -> Points:
    return np.asarray(points[..., row_of(name), :])


def _length(gap: Points) -> Values:
    return np.asarray(np.hypot(gap[..., 0], gap[..., 1]))


def _gap(points: Points, a: str, b: str) -> Values:
    return _length(_at(points, b) - _at(points, a))


def _across(points: Points, name: str) -> Values:
    """From the right point of a pair to the left one."""
    return _gap(points, f"{name} right", f"{name} left")


def _middle(points: Points, name: str) -> Points:
    return (_at(points, f"{name} right") + _at(points, f"{name} left")) / 2


def _axes(points: Points) -> tuple[Points, Points]:
    """Unit vectors along the pupils to the person's left, and down the face."""
    along = _at(points, "pupil left") - _at(points, "pupil right")
    along = along / _length(along)[..., None]
    return along, np.stack([-along[..., 1], along[..., 0]], -1)


def _down(points: Points, upper: Points, lower: Points) -> Values:
    return np.asarray(((lower - upper) * _axes(points)[1]).sum(-1))


def outer_canthal(points: Points) -> Values:
    """Distance between the outer canthi."""
    return _across(points, "exocanthion")


def _face_width(points: Points) -> Values:
    """Between the upper attachments of the ears.

    The contour of the cheeks has no edge to agree on: with the width there, the distance of the pupils by hand follows
    that of two networks (ours, dlib-68) at r = .6; with the width at the ears it follows ours at .94 (34 people whom it
    had not seen).
    """
    return _across(points, "otobasion superius")


def _fissure_length(points: Points, side: str) -> Values:
    return _gap(points, f"endocanthion {side}", f"exocanthion {side}")


def _fissure_height(points: Points, side: str) -> Values:
    return _gap(points, f"palpebrale superius {side}", f"palpebrale inferius {side}")


def _slant(points: Points, side: str) -> Values:
    """Degrees by which the outer canthus stands higher than the inner one, against the line of the pupils."""
    along, down = _axes(points)
    gap = _at(points, f"exocanthion {side}") - _at(points, f"endocanthion {side}")
    return np.asarray(np.degrees(np.arctan2(-(gap * down).sum(-1), np.abs((gap * along).sum(-1)))))


def _ear_height(points: Points, side: str) -> Values:
    """How far the upper attachment of the ear lies below the line of the outer canthi, in outer-canthal distances."""
    gap = _down(points, _middle(points, "exocanthion"), _at(points, f"otobasion superius {side}"))
    return gap / outer_canthal(points)


def _mean(of: OfSide) -> Of:
    return lambda points: (of(points, Side.RIGHT) + of(points, Side.LEFT)) / 2


def _difference(of: OfSide) -> Of:
    return lambda points: of(points, Side.LEFT) - of(points, Side.RIGHT)


def _relative(of: OfSide) -> Of:
    """Left minus right over their mean."""
    return lambda points: _difference(of)(points) / _mean(of)(points)


def _over(above: Of, below: Of) -> Of:
    return lambda points: above(points) / below(points)


def _between(a: str, b: str) -> Of:
    return lambda points: _gap(points, a, b)


def _pair(name: str) -> Of:
    return lambda points: _across(points, name)


def _nose_length(points: Points) -> Values:
    return _down(points, _middle(points, "nasal root side"), _at(points, "subnasale"))


def _lower_third(points: Points) -> Values:
    return _down(points, _at(points, "subnasale"), _at(points, "gnathion"))


def _chin_height(points: Points) -> Values:
    return _down(points, _at(points, "labiale inferius"), _at(points, "gnathion"))


def _interpupillary(points: Points) -> Values:
    return _across(points, "pupil")


_R, _D = Unit.RATIO, Unit.DEGREES
_ALL = (
    Measurement(
        "inner canthal distance / face width",
        _R,
        "en-en over the face width",
        _over(_pair("endocanthion"), _face_width),
        large=Term("HP:0000506", "Telecanthus"),
    ),
    Measurement(
        "inner canthal distance / outer canthal distance",
        _R,
        "en-en over ex-ex",
        _over(_pair("endocanthion"), outer_canthal),
        large=Term("HP:0000506", "Telecanthus"),
    ),
    Measurement(
        "interpupillary distance / face width",
        _R,
        "between the centres of the pupils, over the face width",
        _over(_interpupillary, _face_width),
        large=Term("HP:0000316", "Hypertelorism"),
        small=Term("HP:0000601", "Hypotelorism"),
    ),
    Measurement(
        "outer canthal distance / face width",
        _R,
        "ex-ex over the face width",
        _over(outer_canthal, _face_width),
    ),
    Measurement(
        "palpebral fissure length / outer canthal distance",
        _R,
        "en-ex, mean of both sides, over ex-ex",
        _over(_mean(_fissure_length), outer_canthal),
        large=Term("HP:0000637", "Long palpebral fissure"),
        small=Term("HP:0012745", "Short palpebral fissure"),
    ),
    Measurement(
        "palpebral fissure length / face width",
        _R,
        "en-ex, mean of both sides, over the face width",
        _over(_mean(_fissure_length), _face_width),
        large=Term("HP:0000637", "Long palpebral fissure"),
        small=Term("HP:0012745", "Short palpebral fissure"),
    ),
    Measurement(
        "palpebral fissure height / outer canthal distance",
        _R,
        "ps-pi, mean of both sides, over ex-ex; changes with expression",
        _over(_mean(_fissure_height), outer_canthal),
        small=Term("HP:0045025", "Narrow palpebral fissure"),
    ),
    Measurement(
        "palpebral fissure slant",
        _D,
        "angle of en-ex to the line of the pupils, mean of both sides; above 0 the outer canthus stands higher",
        _mean(_slant),
        large=Term("HP:0000582", "Upslanted palpebral fissure"),
        small=Term("HP:0000494", "Downslanted palpebral fissures"),
    ),
    Measurement(
        "nasal width / face width",
        _R,
        "al-al over the face width",
        _over(_pair("alare"), _face_width),
        large=Term("HP:0000445", "Wide nose"),
        small=Term("HP:0000460", "Narrow nose"),
    ),
    Measurement(
        "nasal width / outer canthal distance",
        _R,
        "al-al over ex-ex",
        _over(_pair("alare"), outer_canthal),
        large=Term("HP:0000445", "Wide nose"),
        small=Term("HP:0000460", "Narrow nose"),
    ),
    Measurement(
        "nasal width / inner canthal distance",
        _R,
        "al-al over en-en",
        _over(_pair("alare"), _pair("endocanthion")),
    ),
    Measurement(
        "nasal length / outer canthal distance",
        _R,
        "nasal root (between its sides, at the level of the upper lids) to sn, along the face, over ex-ex",
        _over(_nose_length, outer_canthal),
        large=Term("HP:0003189", "Long nose"),
        small=Term("HP:0003196", "Short nose"),
    ),
    Measurement(
        "nasal bridge width / outer canthal distance",
        _R,
        "between the sides of the bridge at the level of the inner canthi, over ex-ex",
        _over(_pair("nasal bridge side"), outer_canthal),
        large=Term("HP:0000431", "Wide nasal bridge"),
        small=Term("HP:0000446", "Narrow nasal bridge"),
    ),
    Measurement(
        "philtrum length / outer canthal distance",
        _R,
        "sn-ls over ex-ex",
        _over(_between("subnasale", "labiale superius"), outer_canthal),
        large=Term("HP:0000343", "Long philtrum"),
        small=Term("HP:0000322", "Short philtrum"),
    ),
    Measurement(
        "philtrum length / nasal length",
        _R,
        "sn-ls over the nasal length",
        _over(_between("subnasale", "labiale superius"), _nose_length),
        large=Term("HP:0000343", "Long philtrum"),
        small=Term("HP:0000322", "Short philtrum"),
    ),
    Measurement(
        "upper lip vermilion / outer canthal distance",
        _R,
        "ls to stomion superius over ex-ex",
        _over(_between("labiale superius", "stomion superius"), outer_canthal),
        large=Term("HP:0000215", "Thick upper lip vermilion"),
        small=Term("HP:0000219", "Thin upper lip vermilion"),
    ),
    Measurement(
        "lower lip vermilion / outer canthal distance",
        _R,
        "stomion inferius to li over ex-ex",
        _over(_between("stomion inferius", "labiale inferius"), outer_canthal),
        large=Term("HP:0000179", "Thick lower lip vermilion"),
        small=Term("HP:0010282", "Thin lower lip vermilion"),
    ),
    Measurement(
        "mouth width / outer canthal distance",
        _R,
        "ch-ch over ex-ex; changes with expression",
        _over(_pair("cheilion"), outer_canthal),
        large=Term("HP:0000154", "Wide mouth"),
        small=Term("HP:0000160", "Narrow mouth"),
    ),
    Measurement(
        "mouth width / face width",
        _R,
        "ch-ch over the face width; changes with expression",
        _over(_pair("cheilion"), _face_width),
        large=Term("HP:0000154", "Wide mouth"),
        small=Term("HP:0000160", "Narrow mouth"),
    ),
    Measurement(
        "lower third / middle third",
        _R,
        "sn-gn over nasal root-sn, along the face",
        _over(_lower_third, _nose_length),
    ),
    Measurement(
        "chin height / outer canthal distance",
        _R,
        "li-gn, along the face, over ex-ex",
        _over(_chin_height, outer_canthal),
        large=Term("HP:0400000", "Tall chin"),
        small=Term("HP:0000331", "Short chin"),
    ),
    Measurement(
        "jaw width / face width",
        _R,
        "go-go as seen from the front over the face width",
        _over(_pair("gonion"), _face_width),
    ),
    Measurement(
        "ear attachment below the outer canthi",
        _R,
        "otobasion superius below the line through the outer canthi, mean of both sides, over ex-ex; tilting the head "
        "changes it",
        _mean(_ear_height),
        large=Term("HP:0000369", "Low-set ears"),
    ),
    Measurement(
        "difference of fissure lengths",
        _R,
        "left minus right en-ex over their mean; turning the head changes it",
        _relative(_fissure_length),
    ),
    Measurement(
        "difference of fissure heights",
        _R,
        "left minus right ps-pi over their mean",
        _relative(_fissure_height),
    ),
    Measurement(
        "difference of slants",
        _D,
        "left minus right slant",
        _difference(_slant),
    ),
    Measurement(
        "difference of ear heights",
        _R,
        "left minus right ear attachment below the outer canthi, over ex-ex",
        _difference(_ear_height),
    ),
)
MEASUREMENTS: Mapping[str, Measurement] = MappingProxyType({m.name: m for m in _ALL})
"""All measurements by name, in the order in which they are listed."""
