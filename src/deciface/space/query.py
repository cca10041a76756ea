"""The face that is asked about, joined to a gallery by view name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.cases import NOT_STATED, Encoding, View
from deciface.errors import InputError, MismatchError
from deciface.space.gallery import Gallery


@dataclass(frozen=True, eq=False)
class Query:
    """One photo, or several photos of one patient. Made by `Query.of`.

    Parameters
    ----------
    encodings
        Per photo id, its encodings by view.
    patient_id
        Whose face it is, when known: their own photos in the gallery are left out.
    pixel_sha256
        Of the query photos, where known: the same picture in the gallery is left out.
    """

    encodings: dict[str, dict[View, Encoding]]
    patient_id: str | None
    pixel_sha256: frozenset[str]

    @classmethod
    def of(cls, encodings: Iterable[Encoding], *, patient_id: str | None = None) -> Query:
        """Sort encodings by photo and view.

        Parameters
        ----------
        encodings
            Of one photo, or of several photos of one patient.
        patient_id
            Pseudonymous id, or None.

        Raises
        ------
        InputError
            No encodings, a view of a photo twice, or a vector without a direction.
        """
        found: dict[str, dict[View, Encoding]] = {}
        for encoding in encodings:
            views = found.setdefault(encoding.photo_id, {})
            if encoding.view in views:
                raise InputError(f"query photo '{encoding.photo_id}' has two encodings of view {encoding.view}")
            vector = np.asarray(encoding.vector, np.float64)
            norm = float(np.linalg.norm(vector)) if vector.ndim == 1 else float("nan")
            if not (np.isfinite(norm) and norm > 0):
                raise InputError(
                    f"query photo '{encoding.photo_id}', view {encoding.view}: the vector is zero, NaN, infinite or "
                    "not (d,); encode the photo again"
                )
            views[encoding.view] = encoding
        if not found:
            raise InputError("the query has no encodings; give those of at least one photo")
        pixels = frozenset(e.photo_sha256 for views in found.values() for e in views.values())
        return cls(found, patient_id, pixels - {NOT_STATED})

    @property
    def photo_ids(self) -> tuple[str, ...]:
        """The query photos, sorted."""
        return tuple(sorted(self.encodings))


@dataclass(frozen=True, eq=False)
class JoinedQuery:
    """A query laid out like the rows of a gallery.

    Parameters
    ----------
    vector
        (d,) float64: per view in use the mean of the photos' unit vectors, zero elsewhere.
    used
        Numbers of the gallery's views in use.
    views_used, views_ignored
        By name; the ignored ones with the reason.
    """

    vector: NDArray[np.float64]
    used: tuple[int, ...]
    views_used: tuple[View, ...]
    views_ignored: tuple[tuple[View, str], ...]


def join(gallery: Gallery, query: Query) -> JoinedQuery:
    """Use the views that every query photo and every gallery row have.

    Raises
    ------
    MismatchError
        Other weights, another crop version or another length of vector than the gallery's, or no view in common.
    """
    everywhere = frozenset.intersection(*(frozenset(views) for views in query.encodings.values()))
    anywhere = {view for views in query.encodings.values() for view in views}
    for views in query.encodings.values():
        for encoding in views.values():
            _refuse_other_versions(gallery, encoding)
    used = tuple(i for i, view in enumerate(gallery.views) if view in everywhere)
    ignored = [(view, "some gallery photos lack it") for view in gallery.dropped_views]
    ignored += [(view, "not every query photo has it") for view in gallery.views if view not in everywhere]
    ignored += [
        (view, "the gallery lacks it") for view in sorted(anywhere - set(gallery.views) - set(gallery.dropped_views))
    ]
    if not used:
        raise MismatchError(
            f"the query has views {', '.join(map(str, sorted(anywhere)))} and the gallery "
            f"{', '.join(map(str, gallery.views))}: none in common; encode both with the same model"
        )
    vector = np.zeros(gallery.vectors.matrix.shape[1])
    for i in used:
        block, view = gallery.vectors.blocks[i], gallery.views[i]
        for views in query.encodings.values():
            part = np.asarray(views[view].vector, np.float64)
            if len(part) != block.stop - block.start:
                raise MismatchError(
                    f"view {view} has {len(part)} numbers in the query and {block.stop - block.start} in the gallery; "
                    "encode both with the same model file"
                )
            unit = (part / np.linalg.norm(part)).astype(np.float32)
            vector[block.start : block.stop] += unit / np.float64(len(query.encodings))
    return JoinedQuery(vector, used, tuple(gallery.views[i] for i in used), tuple(ignored))


def _refuse_other_versions(gallery: Gallery, encoding: Encoding) -> None:
    model = encoding.view.model
    for what, mine, theirs in (
        ("weights", encoding.encoder_sha256, gallery.encoder_sha256.get(model)),
        ("crop version", encoding.crop_version, gallery.crop_version.get(model)),
    ):
        if theirs is not None and mine != theirs:
            raise MismatchError(
                f"model '{model}': the query has {what} {mine[:12]} and the gallery {theirs[:12]}; "
                "encode both with the same version"
            )
