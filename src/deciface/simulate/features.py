"""Planted facial features: smooth velocity fields in the eye frame, amounts in SD of unaffected adults, HPO terms.

One SD is the residual SD within ancestry and sex of manual landmarks of the London Set, in outer canthal distances
(OCD); those of ears, epicanthus, telecanthus and bridge relief are choices. Every field is scaled so that the landmarks
it is named after move by the stated amount at first order. Names and ids are those of HPO 2025-01-16; morphology
follows Hall et al. 2009 and the Elements of Morphology series (Am J Med Genet A 149A).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from deciface.errors import OptionError
from deciface.simulate.template import Anchors, Points

MAX_SD = 4.0

Field = Callable[[Points, Anchors], Points]
Side = tuple[float, Points, Points, Points]


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature that can be planted.

    Parameters
    ----------
    name
        Key used everywhere, e.g. 'hypertelorism'; a positive amount means what the name says.
    hpo, label
        Term for a positive amount.
    opposite_hpo, opposite_label
        Term for a negative amount, or empty when there is none and the amount must be positive.
    sd
        Size of 1 SD in OCD (slant: radians).
    field
        (n, 2) points, anchors -> (n, 2) velocity for 1 SD, eye frame.
    """

    name: str
    hpo: str
    label: str
    opposite_hpo: str
    opposite_label: str
    sd: float
    field: Field

    def term(self, amount_sd: float) -> str:
        """HPO id for an amount."""
        return self.hpo if amount_sd > 0 else self.opposite_hpo


def smoothstep(t: Points) -> Points:
    """0 below 0, 1 above 1, 3t^2 - 2t^3 between."""
    u = np.clip(t, 0.0, 1.0)
    return np.asarray(u * u * (3.0 - 2.0 * u))


def window(p: Points, centre: Points, rx: float, ry: float) -> Points:
    """Super-Gaussian exp(-r^4) with radii in OCD: flat inside, vanishing with all derivatives outside."""
    q = ((p[:, 0] - centre[0]) / rx) ** 2 + ((p[:, 1] - centre[1]) / ry) ** 2
    return np.asarray(np.exp(-q * q))


def _at(p: Points, centre: Points, rx: float, ry: float, anchor: Points) -> Points:
    """The window, scaled to 1 at an anchor away from its centre."""
    return np.asarray(window(p, centre, rx, ry) / window(anchor[None], centre, rx, ry)[0])


def _flat(t: Points) -> Points:
    """exp(-t^4)."""
    return np.asarray(np.exp(-np.square(np.square(t))))


def _sides(a: Anchors) -> tuple[Side, Side]:
    """(sign, middle of the eye, inner canthus, outer canthus) of image left and right."""
    return (
        (-1.0, a.eye_left, a.inner_canthus_left, a.outer_canthus_left),
        (1.0, a.eye_right, a.inner_canthus_right, a.outer_canthus_right),
    )


def _hypertelorism(p: Points, a: Anchors) -> Points:
    """Both eyes apart, whole."""
    d = np.zeros_like(p)
    for s, eye, inner, _ in _sides(a):
        d[:, 0] += s * 0.011 * _at(p, eye, 0.32, 0.30, inner) * smoothstep(s * p[:, 0] / 0.12)
    return d


def _telecanthus(p: Points, a: Anchors) -> Points:
    """Inner canthi apart, pupils and outer canthi in place."""
    d = np.zeros_like(p)
    for s, _, inner, _ in _sides(a):
        centre = inner - np.array([s * 0.015, 0.0])
        d[:, 0] += s * 0.011 * _at(p, centre, 0.125, 0.12, inner) * smoothstep(s * p[:, 0] / 0.10)
    return d


def _slant(p: Points, a: Anchors) -> Points:
    """Each fissure turned about its middle, outer canthus up; brows follow a little."""
    d = np.zeros_like(p)
    for s, eye, inner, outer in _sides(a):
        q = p - eye
        w = np.exp(-((q[:, 0] / 0.26) ** 6) - np.square(np.square(q[:, 1] / 0.20)))
        half = abs(float(outer[0] - inner[0])) / 2
        turn = -s * np.radians(2.2) / np.exp(-((half / 0.26) ** 6))
        d[:, 0] -= turn * w * q[:, 1]
        d[:, 1] += turn * w * q[:, 0]
    return d


def _fissure_length(p: Points, a: Anchors) -> Points:
    d = np.zeros_like(p)
    for _, eye, inner, outer in _sides(a):
        length = abs(float(outer[0] - inner[0]))
        d[:, 0] += 0.011 / length * (p[:, 0] - eye[0]) * _at(p, eye, 0.25, 0.15, outer)
    return d


def _fissure_height(p: Points, a: Anchors) -> Points:
    d = np.zeros_like(p)
    for _, eye, _, _ in _sides(a):
        d[:, 1] += 0.012 / 0.10 * (p[:, 1] - eye[1]) * window(p, eye, 0.24, 0.12)
    return d


def _epicanthus(p: Points, a: Anchors) -> Points:
    """The fold hides the inner canthus: the visible corner moves outward; the fold itself is drawn by `relief`."""
    d = np.zeros_like(p)
    for s, _, inner, _ in _sides(a):
        w = window(p, inner, 0.10, 0.08)
        d[:, 0] += s * 0.005 * w
        d[:, 1] += 0.002 * w
    return d


def _nasal_base(p: Points, a: Anchors) -> Points:
    d = np.zeros_like(p)
    for s, ala in ((-1.0, a.ala_left), (1.0, a.ala_right)):
        d[:, 0] += s * 0.013 * window(p, ala, 0.15, 0.16) * smoothstep((s * (p[:, 0] - a.subnasale[0])) / 0.07)
    return d


def _bridge_width(p: Points, a: Anchors) -> Points:
    d = np.zeros_like(p)
    y = 0.10 + 0.5 * float(a.eye_left[1] + a.eye_right[1])
    for s in (-1.0, 1.0):
        d[:, 0] += s * 0.0085 * window(p, np.array([s * 0.10, y]), 0.10, 0.17) * smoothstep(s * p[:, 0] / 0.06)
    return d


def _bridge_relief(p: Points, a: Anchors) -> Points:
    """Flattening is drawn by `relief`; the flat root is a little wider."""
    return 0.5 * _bridge_width(p, a)


def _philtrum(p: Points, a: Anchors) -> Points:
    """Everything below subnasale down, fading out between lower lip and chin."""
    y = p[:, 1]
    start, top, low, chin = a.subnasale[1], a.lip_top[1], a.lip_bottom[1], a.chin[1]
    w = smoothstep((y - start + 0.01) / (top - start + 0.005)) * (1 - smoothstep((y - low) / (chin - low)))
    d = np.zeros_like(p)
    d[:, 1] = 0.027 * w * _flat((p[:, 0] - a.subnasale[0]) / 0.42)
    return d


def _upper_lip(p: Points, a: Anchors) -> Points:
    """The vermilion border of the upper lip up, stomion in place."""
    height = max(float(a.stomion[1] - a.lip_top[1]), 0.05)
    v = p[:, 1] - a.lip_top[1]
    w = np.where(v > 0, 1 - smoothstep(v / height), 1 - smoothstep(-v / 0.12))
    d = np.zeros_like(p)
    d[:, 1] = -0.017 * w * _flat((p[:, 0] - a.subnasale[0]) / 0.24)
    return d


def _lower_lip(p: Points, a: Anchors) -> Points:
    """The vermilion border of the lower lip down, stomion in place."""
    height = max(float(a.lip_bottom[1] - a.stomion[1]), 0.07)
    v = p[:, 1] - a.lip_bottom[1]
    w = np.where(v < 0, 1 - smoothstep(-v / height), 1 - smoothstep(v / 0.15))
    d = np.zeros_like(p)
    d[:, 1] = 0.023 * w * _flat((p[:, 0] - a.subnasale[0]) / 0.24)
    return d


def _mouth_width(p: Points, a: Anchors) -> Points:
    d = np.zeros_like(p)
    for s, corner in ((-1.0, a.mouth_corner_left), (1.0, a.mouth_corner_right)):
        d[:, 0] += s * 0.0135 * window(p, corner, 0.24, 0.14) * smoothstep(s * (p[:, 0] - a.lip_top[0]) / 0.14)
    return d


def _chin_height(p: Points, a: Anchors) -> Points:
    """Chin down and jaw a little wider; negative: the small jaw of micrognathia seen from the front."""
    x, y = p[:, 0] - a.subnasale[0], p[:, 1]
    fade = 1 - smoothstep((y - a.chin[1] - 0.03) / 0.45)
    down = smoothstep((y - a.lip_bottom[1]) / (a.chin[1] - a.lip_bottom[1])) * fade * _flat(x / 0.75)
    wide = smoothstep((y - a.stomion[1] + 0.02) / 0.42) * fade
    d = np.zeros_like(p)
    d[:, 0] = 0.9 * 0.044 * wide * np.tanh(x / 0.3) * _flat(np.square(x / 0.62))
    d[:, 1] = 0.044 * down
    return d


def _ears(p: Points, a: Anchors) -> Points:
    """Ears down along the head; cheek and hair beside them hardly move."""
    d = np.zeros_like(p)
    for s, ear in ((-1.0, a.ear_left), (1.0, a.ear_right)):
        centre = ear + np.array([s * 0.05, 0.05])
        d[:, 1] += 0.05 * _at(p, centre, 0.22, 0.52, ear) * smoothstep((s * p[:, 0] - 0.62) / 0.16)
    return d


FEATURES: dict[str, Feature] = {
    f.name: f
    for f in (
        Feature("hypertelorism", "HP:0000316", "Hypertelorism", "HP:0000601", "Hypotelorism", 0.022, _hypertelorism),
        Feature("telecanthus", "HP:0000506", "Telecanthus", "", "", 0.022, _telecanthus),
        Feature(
            "upslanted_fissures",
            "HP:0000582",
            "Upslanted palpebral fissure",
            "HP:0000494",
            "Downslanted palpebral fissures",
            float(np.radians(2.2)),
            _slant,
        ),
        Feature(
            "long_fissures",
            "HP:0000637",
            "Long palpebral fissure",
            "HP:0012745",
            "Short palpebral fissure",
            0.011,
            _fissure_length,
        ),
        Feature(
            "narrow_fissures",
            "HP:0045025",
            "Narrow palpebral fissure",
            "",
            "",
            0.012,
            lambda p, a: -_fissure_height(p, a),
        ),
        Feature("epicanthus", "HP:0000286", "Epicanthus", "", "", 0.02, _epicanthus),
        Feature("wide_nose", "HP:0000445", "Wide nose", "HP:0000460", "Narrow nose", 0.026, _nasal_base),
        Feature(
            "wide_nasal_bridge",
            "HP:0000431",
            "Wide nasal bridge",
            "HP:0000446",
            "Narrow nasal bridge",
            0.017,
            _bridge_width,
        ),
        Feature("depressed_nasal_bridge", "HP:0005280", "Depressed nasal bridge", "", "", 0.017, _bridge_relief),
        Feature("long_philtrum", "HP:0000343", "Long philtrum", "HP:0000322", "Short philtrum", 0.027, _philtrum),
        Feature(
            "thick_upper_lip",
            "HP:0000215",
            "Thick upper lip vermilion",
            "HP:0000219",
            "Thin upper lip vermilion",
            0.017,
            _upper_lip,
        ),
        Feature(
            "thick_lower_lip",
            "HP:0000179",
            "Thick lower lip vermilion",
            "HP:0010282",
            "Thin lower lip vermilion",
            0.023,
            _lower_lip,
        ),
        Feature("wide_mouth", "HP:0000154", "Wide mouth", "HP:0000160", "Narrow mouth", 0.027, _mouth_width),
        Feature("tall_chin", "HP:0400000", "Tall chin", "HP:0000347", "Micrognathia", 0.044, _chin_height),
        Feature("low_set_ears", "HP:0000369", "Low-set ears", "", "", 0.05, _ears),
    )
}


def check_features(features: Mapping[str, float]) -> dict[str, float]:
    """Amounts in SD, without zeros.

    Raises
    ------
    OptionError
        If a feature is unknown, an amount is not finite, above 4 SD, or negative where there is no opposite.
    """
    for name, amount in features.items():
        if name not in FEATURES:
            raise OptionError(f"feature '{name}'; known are {', '.join(FEATURES)}; choose from these")
        if not np.isfinite(amount) or abs(amount) > MAX_SD:
            raise OptionError(
                f"{name} of {amount} SD; between -{MAX_SD:g} and {MAX_SD:g} is allowed; choose a smaller amount"
            )
        if amount < 0 and not FEATURES[name].opposite_hpo:
            raise OptionError(f"{name} of {amount} SD; there is no opposite of this feature; give 0 or more")
    return {name: float(features[name]) for name in FEATURES if features.get(name)}


def velocity(features: Mapping[str, float], anchors: Anchors) -> Callable[[Points], Points]:
    """The summed velocity field of several features, (n, 2) -> (n, 2) in the eye frame.

    Raises
    ------
    OptionError
        See `check_features`.
    """
    active = [(FEATURES[name].field, amount) for name, amount in check_features(features).items()]

    def field(p: Points) -> Points:
        total = np.zeros_like(p)
        for part, amount in active:
            total += amount * part(p, anchors)
        return total

    return field


def hpo_terms(features: Mapping[str, float]) -> tuple[str, ...]:
    """HPO ids of what is planted, in the order of `FEATURES`."""
    return tuple(FEATURES[name].term(amount) for name, amount in check_features(features).items())


def measures(p: Points) -> dict[str, float]:
    """Measure a (189, 2) template of the eye frame, in OCD (slant in radians, outer canthus up positive)."""
    slant_left = np.arctan2(p[22, 1] - p[18, 1], p[22, 0] - p[18, 0])
    slant_right = np.arctan2(p[23, 1] - p[27, 1], p[27, 0] - p[23, 0])
    stomion = p[94:104].mean(axis=0)
    return {
        "hypertelorism": float((p[23, 0] + p[27, 0] - p[22, 0] - p[18, 0]) / 2),
        "telecanthus": float(p[23, 0] - p[22, 0]),
        "upslanted_fissures": float((slant_left + slant_right) / 2),
        "long_fissures": float((np.hypot(*(p[22] - p[18])) + np.hypot(*(p[27] - p[23]))) / 2),
        "narrow_fissures": float(-(p[29, 1] - p[20, 1] + p[32, 1] - p[25, 1]) / 2),
        "wide_nose": float(p[67, 0] - p[62, 0]),
        "long_philtrum": float(p[90, 1] - p[55, 1]),
        "thick_upper_lip": float(stomion[1] - p[90, 1]),
        "thick_lower_lip": float(p[106, 1] - stomion[1]),
        "wide_mouth": float(p[93, 0] - p[87, 0]),
        "tall_chin": float(p[129, 1] - p[106, 1]),
        "low_set_ears": float((p[115:125, 1]).mean() - p[[18, 22, 23, 27], 1].mean()),
    }
