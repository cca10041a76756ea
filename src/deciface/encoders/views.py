"""Views and ensembles: which encoders look at a face, and how (straight or mirrored, colour or grey).

Test-time augmentation as in GestaltMatcher-Arc (Hustinx et al. 2023, WACV): {straight, mirrored} x {colour, grey}.
There the vectors of one photo are paired by their order; here every matrix carries the `View` it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deciface.cases import View
from deciface.encoders.protocol import Encoder, check_crops, luminance
from deciface.errors import MismatchError, OptionError
from deciface.models.card import CardView

VIEW_NAMES = MappingProxyType(
    {
        "straight": CardView(flip=False, grey=False),
        "grey": CardView(flip=False, grey=True),
        "flip": CardView(flip=True, grey=False),
        "flip-grey": CardView(flip=True, grey=True),
    }
)
"""The views by name, in the order of GestaltMatcher-Arc's rows."""

GESTALTMATCHER_VIEWS = tuple(VIEW_NAMES.values())
"""The four views of GestaltMatcher-Arc; ``gestaltmatcher`` in the text of an ensemble."""

PHOTOS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Member:
    """One encoder of an ensemble and the views in which it looks at a face, each once."""

    encoder: Encoder
    views: tuple[CardView, ...]

    def __post_init__(self) -> None:
        if not self.views or len(set(self.views)) != len(self.views):
            raise OptionError(f"{self.encoder.card.id}: {len(self.views)} views; name one or more views, each once")

    @property
    def named_views(self) -> tuple[View, ...]:
        """The views as encodings carry them."""
        return tuple(View(model=self.encoder.card.id, flip=v.flip, grey=v.grey) for v in self.views)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Encoders that look at the same photos; every one of their views counts alike in a distance."""

    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        ids = [member.encoder.card.id for member in self.members]
        if not ids or len(set(ids)) != len(ids):
            raise OptionError(
                f"an ensemble needs one or more different encoders; given {ids or 'none'}: name each once"
            )

    @property
    def views(self) -> tuple[View, ...]:
        """All views, encoder by encoder."""
        return tuple(view for member in self.members for view in member.named_views)

    @property
    def alignments(self) -> tuple[str, ...]:
        """The templates that crops are needed of, each once."""
        return tuple(dict.fromkeys(_alignment(member.encoder) for member in self.members))


@dataclass(frozen=True, slots=True)
class MemberName:
    """One encoder of an ensemble by name: id of its card, and views (None: those its card declares)."""

    encoder: str
    views: tuple[CardView, ...] | None = None


def _alignment(encoder: Encoder) -> str:
    if encoder.card.alignment is None:
        raise OptionError(f"{encoder.card.id} declares no alignment; a face encoder's card names a crop template")
    return encoder.card.alignment


def _views(text: str, encoder: str) -> tuple[CardView, ...]:
    if text == "gestaltmatcher":
        return GESTALTMATCHER_VIEWS
    names = [name.strip() for name in text.split(",")]
    if any(name not in VIEW_NAMES for name in names) or len(set(names)) != len(names):
        raise OptionError(
            f"views of {encoder}: '{text}'; allowed is each of {', '.join(VIEW_NAMES)} at most once, or gestaltmatcher "
            f"for all: write for example {encoder}:straight,flip"
        )
    return tuple(VIEW_NAMES[name] for name in names)


def parse_ensemble(text: str) -> tuple[MemberName, ...]:
    """Read an ensemble from text.

    Parameters
    ----------
    text
        Encoders joined by ``+``; after a colon the views, joined by commas, or ``gestaltmatcher`` for its four.

    Raises
    ------
    OptionError
        On an empty or repeated encoder and on an unknown or repeated view.

    Examples
    --------
    >>> [member.encoder for member in parse_ensemble("mobilefacenet + dlib-resnet:straight,flip")]
    ['mobilefacenet', 'dlib-resnet']
    """
    members = []
    for part in text.split("+"):
        encoder, colon, views = (piece.strip() for piece in part.partition(":"))
        if not encoder:
            raise OptionError(
                f"ensemble '{text}': an encoder's name is missing; write encoders joined by '+', e.g. dlib-resnet"
            )
        members.append(MemberName(encoder, _views(views, encoder) if colon else None))
    ids = [member.encoder for member in members]
    if len(set(ids)) != len(ids):
        raise OptionError(f"ensemble '{text}': an encoder is named twice; name each once and list its views after ':'")
    return tuple(members)


def open_ensemble(text: str, open_encoder: Callable[[str], Encoder]) -> Ensemble:
    """Build the ensemble that `text` names.

    Parameters
    ----------
    text
        See `parse_ensemble`.
    open_encoder
        Gives the encoder of an id, e.g. ``partial(open_encoder, store)``.
    """
    members = []
    for name in parse_ensemble(text):
        encoder = open_encoder(name.encoder)
        members.append(Member(encoder, name.views or encoder.card.views))
    return Ensemble(tuple(members))


def augment(crops: NDArray[np.uint8], view: CardView) -> NDArray[np.uint8]:
    """Show crops (n, h, w, 3) uint8 as this view sees them."""
    seen = crops[:, :, ::-1] if view.flip else crops
    return luminance(seen) if view.grey else seen


def encode_views(crops: Mapping[str, NDArray[np.uint8]], ensemble: Ensemble) -> list[tuple[View, NDArray[np.float32]]]:
    """Encode the same n photos in every view of an ensemble.

    Parameters
    ----------
    crops
        Per alignment template (n, h, w, 3) uint8 RGB; the same photos in the same order in each.
    ensemble
        Which encoders and views.

    Returns
    -------
    list[tuple[View, NDArray[np.float32]]]
        In the order of `ensemble.views`; each matrix is (n, d), C-contiguous, unit rows. All views of up to
        `PHOTOS_AT_ONCE` photos go through an encoder in one call.

    Raises
    ------
    MismatchError
        When crops of a needed template are missing, or templates have different numbers of photos.
    """
    missing = [a for a in ensemble.alignments if a not in crops]
    counts = {a: len(crops[a]) for a in ensemble.alignments if a in crops}
    if missing:
        raise MismatchError(
            f"crops of the template {', '.join(missing)} are missing (given: {', '.join(crops) or 'none'}): "
            "align the photos with every template that the ensemble needs"
        )
    if len(set(counts.values())) > 1:
        raise MismatchError(f"different numbers of crops per template {counts}: give the same photos to every template")
    results: list[tuple[View, NDArray[np.float32]]] = []
    for member in ensemble.members:
        card, total = member.encoder.card, crops[_alignment(member.encoder)]
        parts: list[NDArray[np.float32]] = []
        for at in range(0, len(total), PHOTOS_AT_ONCE):
            block = check_crops(total[at : at + PHOTOS_AT_ONCE], card)
            seen = np.concatenate([augment(block, view) for view in member.views])
            parts.append(member.encoder.encode(seen).reshape(len(member.views), len(block), -1))
        for i, view in enumerate(member.named_views):
            rows = [part[i] for part in parts] or [np.zeros((0, card.dimensions), np.float32)]
            results.append((view, np.ascontiguousarray(np.concatenate(rows))))
    return results
