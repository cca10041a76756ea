"""The appearance model: group effects and principal components of shape and of shape-free skin texture.

Stored are effects of ancestry (means over 5 people or more), of sex and of age, principal components of the residuals,
and each ancestry's spread on them. No photo, no landmark set and no coefficient of a person.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deciface.cases import Sex
from deciface.errors import ModelError, OptionError
from deciface.simulate import texture_frame as raster
from deciface.simulate.template import N_POINTS, EyeFrame, Points
from deciface.whole_files import write_whole

FORMAT = "deciface-appearance-1"
CLIP_SD = 2.0
SHAPE_SD, LUMA_SD, CHROMA_SD = 1.0, 1.0, 0.65
SHARED = 3  # leading components are the same in every band
OWN_SHAPE, OWN_SKIN = 1.0, 0.4  # in units of what the components leave out
TONE_PX = 16.0  # coarser brightness is the same in every band
AGE_ZERO_YEARS = 30.0

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Basis:
    """Linear model of one channel.

    Parameters
    ----------
    effects
        (ancestries + 2, d): mean of each ancestry at sex 0 and age 30, male minus female, change per decade.
    components
        (k, d) principal components of the residual, each scaled to 1 SD.
    spread
        (ancestries, k) SD of each ancestry on each component, shrunk towards 1.
    explained
        Share of the residual variance that the k components hold.
    """

    effects: Array
    components: Array
    spread: Array
    explained: float


@dataclass(frozen=True, slots=True)
class Identity:
    """One simulated person: coefficients drawn, not estimated from anybody.

    Parameters
    ----------
    ancestry, sex, age_years
        Of the person; the age is that in the photo and may differ between photos of one person.
    shape, luma, chroma
        Coefficients in SD, one tuple per band of the face (`texture_frame.band_weights`); the leading ones and all of
        `chroma` are the same in every band.
    own_seed
        Of the person's own deviation in shape and skin.
    """

    ancestry: str
    sex: Sex
    age_years: float
    shape: tuple[tuple[float, ...], ...]
    luma: tuple[tuple[float, ...], ...]
    chroma: tuple[tuple[float, ...], ...]
    own_seed: int


@dataclass(frozen=True, slots=True)
class AppearanceModel:
    """What `fit` learnt; made by `fit`, `AppearanceModel.load` or `AppearanceModel.shipped`.

    Parameters
    ----------
    ancestries
        Names of the ancestry groups.
    mean_shape
        (189, 2) eye frame: where the texture lives.
    shape, luma, chroma
        Linear models; `shape` in eye-frame units, `luma` and `chroma` in grey levels.
    people
        How many people each ancestry effect rests on.
    source
        Photos and licence.
    packed
        The stored file's bytes; `sha256` is theirs.
    """

    ancestries: tuple[str, ...]
    mean_shape: Points
    shape: Basis
    luma: Basis
    chroma: Basis
    people: dict[str, int]
    source: str
    packed: bytes = field(repr=False)
    sha256: str

    @classmethod
    def build(
        cls,
        *,
        ancestries: tuple[str, ...],
        mean_shape: Points,
        shape: Basis,
        luma: Basis,
        chroma: Basis,
        people: dict[str, int],
        source: str,
    ) -> AppearanceModel:
        """Quantise, pack and hash; the result is the model as it will be read back."""
        stored = {"mean_shape": mean_shape.astype(np.float32)}
        for name, basis, bits in (("shape", shape, 16), ("luma", luma, 8), ("chroma", chroma, 8)):
            stored |= _pack(name, basis, bits)
        about = {
            "format": FORMAT,
            "ancestries": list(ancestries),
            "people": people,
            "source": source,
            "explained": {k: round(b.explained, 4) for k, b in (("shape", shape), ("luma", luma), ("chroma", chroma))},
        }
        stored["about"] = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **stored)
        return cls.from_bytes(buffer.getvalue())

    def save(self, path: Path) -> None:
        """Write the .npz atomically."""
        write_whole(path, self.packed)

    @classmethod
    def load(cls, path: Path) -> AppearanceModel:
        """Read a stored model.

        Raises
        ------
        ModelError
            If the file is missing, damaged or of another format.
        """
        try:
            data = path.read_bytes()
        except OSError:
            raise ModelError(
                f"{path}: no appearance model there; make one with `deciface simulate fit PHOTOS`"
            ) from None
        return cls.from_bytes(data, name=str(path))

    @classmethod
    def shipped(cls) -> AppearanceModel:
        """Load the model that comes with DeciFace, learnt from the Face Research Lab London Set (CC BY 4.0)."""
        file = resources.files("deciface.simulate") / "data" / "appearance.npz"
        return cls.from_bytes(file.read_bytes(), name="the shipped appearance model")

    @classmethod
    def from_bytes(cls, data: bytes, *, name: str = "these bytes") -> AppearanceModel:
        """Unpack a stored model; `name` is what an error calls it.

        Raises
        ------
        ModelError
            If the bytes are no model of this format.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as z:
                stored = {k: z[k] for k in z.files}
            about: dict[str, Any] = json.loads(stored["about"].tobytes())
            if about["format"] != FORMAT:
                raise ValueError
            model = cls(
                ancestries=tuple(about["ancestries"]),
                mean_shape=stored["mean_shape"].astype(np.float64),
                shape=_unpack("shape", stored, about),
                luma=_unpack("luma", stored, about),
                chroma=_unpack("chroma", stored, about),
                people=dict(about["people"]),
                source=str(about["source"]),
                packed=data,
                sha256=hashlib.sha256(data).hexdigest(),
            )
        except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile):
            raise ModelError(
                f"{name}: not an appearance model of format {FORMAT}; make one with `deciface simulate fit PHOTOS`"
            ) from None
        return model

    def identity(self, rng: np.random.Generator, *, ancestry: str, sex: Sex, age_years: float) -> Identity:
        """Draw a person of a group: residual coefficients from N(0, (s x the group's spread)^2), clipped.

        s is 1 for shape and brightness and .65 for colour. Upper, middle and lower face are drawn apart but for the
        leading components and the coarse brightness, and the shape variance that the components leave out is made up by
        smooth noise of the person's own, so that no draw can add up to the face of a person the model was learnt from.
        """
        group = self._group(ancestry)

        def draw(basis: Basis, s: float, bands: int) -> tuple[tuple[float, ...], ...]:
            z = np.clip(rng.standard_normal((bands, len(basis.components))), -CLIP_SD, CLIP_SD)
            z[:, :SHARED] = z[0, :SHARED]
            return tuple(tuple(float(v) for v in row) for row in np.round(s * basis.spread[group] * z, 3))

        return Identity(
            ancestry=ancestry,
            sex=sex,
            age_years=age_years,
            shape=draw(self.shape, SHAPE_SD, raster.BANDS),
            luma=draw(self.luma, LUMA_SD, raster.BANDS),
            chroma=draw(self.chroma, CHROMA_SD, 1),
            own_seed=int(rng.integers(2**31)),
        )

    def landmarks(self, identity: Identity) -> Points:
        """(189, 2) template of a person in the eye frame: outer canthi at (-.5, 0) and (.5, 0)."""
        parts, weights = self._parts(self.shape, identity, identity.shape, np.repeat(self.mean_shape[:, 1], 2))
        points = (weights * parts).sum(axis=0).reshape(N_POINTS, 2).astype(np.float64)
        points += self._own_shape(identity.own_seed)
        return EyeFrame.from_template(points).from_px(points)

    def _own_shape(self, seed: int) -> Points:
        """Smooth random shifts of the landmarks, as large as what the components leave out, (189, 2)."""
        rng = np.random.default_rng(seed)
        kept = float((self.shape.components**2).sum())
        rms = np.sqrt(kept * (1 - self.shape.explained) / self.shape.explained / N_POINTS)
        centres = np.stack([rng.uniform(-0.9, 0.9, 40), rng.uniform(-1.0, 1.4, 40)], axis=-1)
        width, size = rng.uniform(0.12, 0.3, 40), rng.standard_normal((40, 2))
        shift = np.zeros((N_POINTS, 2))
        for mirror, share in ((1.0, 1.0), (-1.0, 0.7)):  # mostly symmetric
            square = ((self.mean_shape[:, None] - centres * [mirror, 1.0]) ** 2).sum(axis=-1)
            shift += share * np.exp(-square / (2 * width**2)) @ (size * [mirror, 1.0])
        return np.asarray(shift * (OWN_SHAPE * rms / np.sqrt((shift**2).sum(axis=1).mean())))

    def _own_skin(self, seed: int) -> raster.Image:
        """Unevenness of the person's own skin, a little less than half of what the components leave out."""
        rng = np.random.default_rng([seed, 1])
        kept = float((self.luma.components**2).sum())
        rms = np.sqrt(kept * (1 - self.luma.explained) / self.luma.explained / self.luma.components.shape[1])
        total = np.zeros((raster.HEIGHT, raster.WIDTH), np.float32)
        for sigma in (1.2, 3.0, 7.0):
            noise = cv2.GaussianBlur(rng.standard_normal(total.shape).astype(np.float32), (0, 0), sigma)
            total += np.asarray(noise / np.std(noise), dtype=np.float32)
        return np.asarray(total * np.float32(OWN_SKIN * rms / np.sqrt(3)), dtype=np.float32)

    def texture(self, identity: Identity) -> tuple[raster.Image, raster.Mask]:
        """Skin of a person on the mean shape.

        Returns
        -------
        (HEIGHT, WIDTH, 3) float32 RGB 0-255, skin continued beyond its border, and the (HEIGHT, WIDTH) mask of what is
        stored.
        """
        domain = raster.skin_domain(self.mean_shape)
        coarse = raster.chroma_domain(domain)
        image = np.zeros((*domain.shape, 3), np.float32)
        height = raster.raster_points()[domain][:, 1]
        parts, weights = self._parts(self.luma, identity, identity.luma, height)
        tone, banded = spread_out(parts[0], domain), spread_out((weights * parts).sum(axis=0), domain)
        image[..., 0] = banded + cv2.GaussianBlur(tone - banded, (0, 0), TONE_PX)
        image[..., 0] += self._own_skin(identity.own_seed) * np.clip(image[..., 0] / 140.0, 0.3, 1.2)
        chroma = self._parts(self.chroma, identity, identity.chroma, None)[0].reshape(2, -1)
        for channel in (0, 1):
            small = spread_out(chroma[channel], coarse)
            image[..., channel + 1] = cv2.resize(small, domain.shape[::-1], interpolation=cv2.INTER_CUBIC)
        rgb = cv2.cvtColor(np.clip(image, 0, 255) / 255.0, cv2.COLOR_YCrCb2RGB) * 255.0
        return np.clip(rgb, 0, 255).astype(np.float32), domain

    def _group(self, ancestry: str) -> int:
        if ancestry not in self.ancestries:
            raise OptionError(
                f"ancestry '{ancestry}'; this appearance model knows {', '.join(self.ancestries)}; choose one"
            )
        return self.ancestries.index(ancestry)

    def _parts(
        self, basis: Basis, identity: Identity, coefficients: tuple[tuple[float, ...], ...], height: Array | None
    ) -> tuple[Array, Array]:
        """Face of every band's draw, (bands, d), and the bands' weights at eye-frame heights; None is a single band."""
        n = len(self.ancestries)
        c = np.array(coefficients, dtype=np.float32)
        if c.shape != (1 if height is None else raster.BANDS, len(basis.components)):
            raise OptionError(
                f"identity with {c.shape} coefficients, the model has {len(basis.components)}; draw it from this model"
            )
        sex = {Sex.FEMALE: -0.5, Sex.MALE: 0.5}.get(identity.sex, 0.0)
        decades = float(np.clip((identity.age_years - AGE_ZERO_YEARS) / 10.0, -1.5, 3.0))
        base = basis.effects[self._group(identity.ancestry)] + sex * basis.effects[n] + decades * basis.effects[n + 1]
        weights = np.ones((1, 1)) if height is None else raster.band_weights(np.asarray(height, dtype=np.float64))
        return np.asarray(base + c @ basis.components), weights


def spread_out(values: Array, domain: raster.Mask) -> raster.Image:
    """Values on a mask, continued smoothly beyond it, on the mask's raster."""
    out = np.zeros(domain.shape, np.float32)
    out[domain] = values
    image, weight, known = out.copy(), domain.astype(np.float32), domain.copy()
    for sigma, coarse in ((2.0, 1), (6.0, 2), (18.0, 6), (60.0, 12)):
        size = (max(domain.shape[1] // coarse, 2), max(domain.shape[0] // coarse, 2))
        both = cv2.resize(np.stack([image, weight], axis=-1), size, interpolation=cv2.INTER_AREA)
        both = cv2.GaussianBlur(both, (0, 0), sigma / coarse)
        both = cv2.resize(both, domain.shape[::-1], interpolation=cv2.INTER_LINEAR)
        new = ~known & (both[..., 1] > 0.02)
        out[new] = both[new, 0] / both[new, 1]
        known |= new
    out[~known] = float(np.mean(values))
    return out


def _pack(name: str, basis: Basis, bits: int) -> dict[str, NDArray[Any]]:
    """One step for all components and one per effect, so that weak components take few bits and compress well."""
    top = 2 ** (bits - 1) - 1
    kind = np.int8 if bits == 8 else np.int16
    step = float(np.abs(basis.components).max()) / top
    centre = np.round(basis.effects.mean(axis=1) * (bits == 8))
    shifted = basis.effects - centre[:, None]
    effect_step = np.abs(shifted).max(axis=1) / top
    return {
        f"{name}_components": np.round(basis.components / step).astype(kind),
        f"{name}_step": np.float64(step),
        f"{name}_effects": np.round(shifted / effect_step[:, None]).astype(kind),
        f"{name}_effect_step": effect_step,
        f"{name}_effect_centre": centre,
        f"{name}_spread": basis.spread.astype(np.float32),
    }


def _unpack(name: str, stored: dict[str, NDArray[Any]], about: dict[str, Any]) -> Basis:
    effects = (
        stored[f"{name}_effects"] * stored[f"{name}_effect_step"][:, None] + stored[f"{name}_effect_centre"][:, None]
    )
    return Basis(
        effects=effects.astype(np.float32),
        components=(stored[f"{name}_components"] * stored[f"{name}_step"]).astype(np.float32),
        spread=stored[f"{name}_spread"].astype(np.float64),
        explained=float(about["explained"][name]),
    )
