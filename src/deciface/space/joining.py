"""Photos and their encodings joined by photo id and view, refusing whatever must not be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Encoding, Photo, View
from deciface.errors import InputError, MismatchError
from deciface.space.vectors import Block


@dataclass(frozen=True)
class Joined:
    """What photos have in common.

    Parameters
    ----------
    views, dropped_views
        Views that all photos have, and those that only some have.
    blocks
        One (n, d_v) float32 matrix per view, in the order of the photos.
    stamps
        Weights and crop version of every model.
    """

    views: tuple[View, ...]
    dropped_views: tuple[View, ...]
    blocks: list[NDArray[np.float32]]
    stamps: Stamps


def join(photos: Sequence[Photo], encodings: Iterable[Encoding]) -> Joined:
    """Join photos and encodings; see `deciface.space.Gallery.build` for what is refused."""
    by_photo: dict[str, dict[View, Encoding]] = {photo.id: {} for photo in photos}
    sha: dict[str, str] = {photo.id: photo.sha256 for photo in photos}
    stamps = Stamps()
    for encoding in encodings:
        if encoding.photo_id not in by_photo:
            raise InputError(f"encoding of photo '{encoding.photo_id}', which is not in the gallery; add the photo")
        if encoding.photo_sha256 != sha[encoding.photo_id]:
            raise MismatchError(
                f"photo '{encoding.photo_id}' has pixels {sha[encoding.photo_id][:12]} but its encoding was made "
                f"from {encoding.photo_sha256[:12]}; encode the photo again"
            )
        stamps.add(encoding)
        views = by_photo[encoding.photo_id]
        if encoding.view in views:
            raise InputError(f"photo '{encoding.photo_id}' has two encodings of view {encoding.view}; give each once")
        views[encoding.view] = encoding
    for photo_id, views in by_photo.items():
        if not views:
            raise MismatchError(f"photo '{photo_id}' has no encoding; encode it or leave it out of the gallery")
    shared, dropped = _shared_views(by_photo)
    blocks = [_stack([by_photo[photo.id][view] for photo in photos], view) for view in shared]
    return Joined(shared, dropped, blocks, stamps)


@dataclass
class Stamps:
    """Weights and crop version per model, refusing a second one."""

    encoder_sha256: dict[str, str] = field(default_factory=dict)
    crop_version: dict[str, str] = field(default_factory=dict)

    def add(self, encoding: Encoding) -> None:
        """Take note of an encoding, or raise MismatchError naming both versions."""
        model = encoding.view.model
        sha = self.encoder_sha256.setdefault(model, encoding.encoder_sha256)
        if sha != encoding.encoder_sha256:
            raise MismatchError(
                f"model '{model}': photo '{encoding.photo_id}' was encoded with weights "
                f"{encoding.encoder_sha256[:12]}, others with {sha[:12]}; encode all photos with one of them"
            )
        crop = self.crop_version.setdefault(model, encoding.crop_version)
        if crop != encoding.crop_version:
            raise MismatchError(
                f"model '{model}': photo '{encoding.photo_id}' was cropped by '{encoding.crop_version}', others by "
                f"'{crop}'; encode all photos with one of them"
            )


def refuse_repeats(names: Iterable[str], what: str) -> None:
    """Raise an InputError that says which name stands there more than once."""
    for name, times in Counter(names).most_common(1):
        if times > 1:
            raise InputError(f"{what} '{name}' is in the gallery {times} times; give every {what} once")


def _shared_views(by_photo: Mapping[str, Mapping[View, Encoding]]) -> tuple[tuple[View, ...], tuple[View, ...]]:
    """Find the views that all photos have, and those that only some have."""
    if not by_photo:
        return (), ()
    every = {view for views in by_photo.values() for view in views}
    shared = {view for view in every if all(view in views for views in by_photo.values())}
    if not shared:
        raise MismatchError(
            f"no view is shared by all {len(by_photo)} photos (they have {', '.join(map(str, sorted(every)))}); "
            "encode all photos with the same model"
        )
    return tuple(sorted(shared)), tuple(sorted(every - shared))


def _stack(encodings: Sequence[Encoding], view: View) -> NDArray[np.float32]:
    sizes = {np.shape(e.vector): e.photo_id for e in encodings}
    if len(sizes) > 1 or len(next(iter(sizes))) != 1:
        told = ", ".join(f"{shape} in photo '{photo}'" for shape, photo in sorted(sizes.items()))
        raise InputError(f"view {view} has vectors of shape {told}; all must be (d,) with one d")
    return np.stack([np.asarray(e.vector, np.float32) for e in encodings])


def columns_of(views: Sequence[View], blocks: Sequence[NDArray[np.float32]], n: int) -> tuple[Block, ...]:
    """Which columns of one matrix each view's block gets; raises an InputError on a block of another shape or type."""
    columns, start = [], 0
    for view, block in zip(views, blocks, strict=True):
        if block.ndim != 2 or len(block) != n or not block.shape[1] or block.dtype != np.float32:
            raise InputError(
                f"view {view} has vectors {block.dtype} {block.shape}; float32 ({n}, d) is needed, one row per photo"
            )
        columns.append(Block(start, start + block.shape[1]))
        start += block.shape[1]
    return tuple(columns)
