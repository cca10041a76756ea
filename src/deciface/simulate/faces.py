"""One simulated photo with its whole truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import SIMULATED, Sex
from deciface.errors import OptionError
from deciface.simulate import canvas
from deciface.simulate.appearance import AppearanceModel, Identity
from deciface.simulate.features import check_features, hpo_terms, velocity
from deciface.simulate.hair import Hair, draw_hair
from deciface.simulate.nuisance import Nuisance, capture_velocity, draw_nuisance, expose
from deciface.simulate.portrait import Setting, draw_setting, portrait
from deciface.simulate.relief import apply_relief
from deciface.simulate.template import EyeFrame, Points, anchors_from_template
from deciface.simulate.warp import Velocity, dense_map, flow, resample, rms_strain, sham

PHOTO_PX = 512
OCD_PX = 135.0  # of a photo of PHOTO_PX at scale 1
EYE_HEIGHT = 0.45  # of the photo


@dataclass(frozen=True, slots=True)
class Person:
    """A simulated person: the same in all of their photos but for the age."""

    seed: int
    identity: Identity
    hair: Hair


@dataclass(frozen=True, slots=True)
class TruthRecord:
    """All that was put into a photo. `as_json` gives it in plain types.

    Parameters
    ----------
    person, photo_seed
        Who, and the seed of setting, nuisance and noise.
    setting, nuisance
        Background and clothing; conditions of the photo.
    features_sd, hpo
        Planted amounts and their terms; empty for an unaffected person.
    strain, sham_strain
        `warp.rms_strain` of the planted flow and of the sham; one of the two is 0.
    landmarks_before, landmarks_after
        (189, 2) eye frame of the unplanted face: before and after planting, without pose and expression.
    landmarks_px
        (189, 2) photo px, everything included.
    model_sha256
        Of the appearance model.
    """

    person: Person
    photo_seed: int
    setting: Setting
    nuisance: Nuisance
    features_sd: dict[str, float]
    hpo: tuple[str, ...]
    strain: float
    sham_strain: float
    landmarks_before: Points
    landmarks_after: Points
    landmarks_px: Points
    model_sha256: str

    def as_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, with the statement that the person is simulated."""
        record: dict[str, Any] = {"notice": SIMULATED} | asdict(self)
        for key, digits in (("landmarks_before", 5), ("landmarks_after", 5), ("landmarks_px", 2)):
            record[key] = np.round(record[key], digits).tolist()
        record["hpo"] = list(self.hpo)
        return record


@dataclass(frozen=True, slots=True)
class SimulatedFace:
    """A simulated photo.

    Parameters
    ----------
    pixels
        (size, size, 3) uint8 RGB.
    landmarks_px
        (189, 2) template in photo px.
    truth
        What was put in.
    """

    pixels: NDArray[np.uint8]
    landmarks_px: Points
    truth: TruthRecord


def simulate_person(model: AppearanceModel, seed: int, *, sex: Sex, ancestry: str, age_years: float = 30.0) -> Person:
    """Draw a person of a group; the same seed and group give the same person, at any age.

    Raises
    ------
    OptionError
        If the model does not know the ancestry or the age is not that of an adult (18 to 70 years).
    """
    if not 18.0 <= age_years <= 70.0:
        raise OptionError(
            f"age {age_years} years; simulated people are adults of 18 to 70 years; choose an age in there"
        )
    rng = np.random.default_rng([seed, 11])
    identity = model.identity(rng, ancestry=ancestry, sex=sex, age_years=age_years)
    return Person(
        seed, identity, draw_hair(np.random.default_rng([seed, 12]), ancestry=ancestry, sex=sex, age_years=age_years)
    )


def simulate_face(
    model: AppearanceModel,
    seed: int,
    *,
    sex: Sex,
    ancestry: str,
    age_years: float = 30.0,
    features: Mapping[str, float] | None = None,
    sham_strain: float = 0.0,
    nuisance: Nuisance | None = None,
    person_seed: int | None = None,
    size_px: int = PHOTO_PX,
) -> SimulatedFace:
    """Simulate one photo.

    Parameters
    ----------
    model
        E.g. `AppearanceModel.shipped()`.
    seed
        Of the photo: setting, nuisance, noise.
    sex, ancestry, age_years
        Group of the person.
    features
        Amounts in SD to plant, see `features.FEATURES`; None or all 0 plants nothing.
    sham_strain
        RMS strain of a warp that plants nothing, for unaffected people; not together with features.
    nuisance
        Conditions; None draws them from the seed, `FRONTAL` is a perfect photo.
    person_seed
        Who; None takes `seed`. Photos with one person_seed show one person.
    size_px
        Side of the square photo, 128 to 1024.

    Raises
    ------
    OptionError
        If an argument is out of range or features and a sham are asked for together.
    """
    if not 128 <= size_px <= 1024:
        raise OptionError(f"photo of {size_px} px; 128 to 1024 px are allowed; choose a size in there")
    planted = check_features(features or {})
    if planted and sham_strain:
        raise OptionError("features and a sham warp together; a photo has one or the other; set sham_strain to 0")
    who = seed if person_seed is None else person_seed
    person = simulate_person(model, who, sex=sex, ancestry=ancestry, age_years=age_years)
    rng = np.random.default_rng([seed, 13])
    setting, conditions = draw_setting(rng), draw_nuisance(rng)
    conditions = nuisance or conditions
    picture, before = portrait(model, person.identity, hair=person.hair, setting=setting)
    anchors = anchors_from_template(before)
    picture = apply_relief(picture, canvas.FRAME, anchors, planted)
    plant = velocity(planted, anchors)
    if sham_strain > 0:
        plant = sham(np.random.default_rng([who, 14]), before, anchors, strain=sham_strain)
    after = flow(before, plant)
    taken = capture_velocity(conditions, anchors_from_template(after))
    frame = _framing(conditions, size_px)
    pixels = _photograph(picture, plant, taken, frame, size_px)
    landmarks_px = frame.to_px(flow(after, taken))
    truth = TruthRecord(
        person=person,
        photo_seed=seed,
        setting=setting,
        nuisance=conditions,
        features_sd=planted,
        hpo=hpo_terms(planted),
        strain=round(rms_strain(plant, step=0.05), 5) if planted else 0.0,
        sham_strain=float(sham_strain),
        landmarks_before=before,
        landmarks_after=after,
        landmarks_px=landmarks_px,
        model_sha256=model.sha256,
    )
    return SimulatedFace(expose(pixels, conditions, rng), landmarks_px, truth)


def _framing(nuisance: Nuisance, size_px: int) -> EyeFrame:
    """Eye frame of the photo."""
    origin = ((0.5 + nuisance.shift_x) * size_px, (EYE_HEIGHT + nuisance.shift_y) * size_px)
    return EyeFrame(origin, OCD_PX * size_px / PHOTO_PX * nuisance.scale, nuisance.roll_deg)


def _photograph(
    picture: canvas.Image, plant: Velocity, taken: Velocity, frame: EyeFrame, size_px: int
) -> NDArray[np.float32]:
    """Canvas to photo in a single resampling: planting, then expression and pose, then framing."""

    def source(px: Points) -> Points:
        p = frame.from_px(px)
        near = (np.abs(p[:, 0]) < 1.4) & (p[:, 1] > -1.6) & (p[:, 1] < 2.0)
        p[near] = flow(flow(p[near], taken, direction="backward"), plant, direction="backward")
        return canvas.FRAME.to_px(p)

    return resample(picture, dense_map(source, width_px=size_px, height_px=size_px))
