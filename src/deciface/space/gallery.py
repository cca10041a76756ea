"""The people a face is compared with: unit vectors joined by view name, and who they are."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Disorder, Encoding, Photo, Sex, View
from deciface.errors import InputError, MismatchError, NoGalleryError
from deciface.space.groups import GeneLabel, Groups, disorders_of, gene_labels
from deciface.space.joining import columns_of, join, refuse_repeats
from deciface.space.restriction import Composition, Restriction, composition_of
from deciface.space.vectors import Vectors, unit_rows


@dataclass(frozen=True, eq=False)
class Gallery:
    """Photos of known people as unit vectors, sorted by photo id.

    Made by `Gallery.build`, `Gallery.from_arrays` or `Gallery.from_vectors`, never by hand.

    Parameters
    ----------
    photos
        Who the rows show.
    views
        Views that every row has, in the order of the column blocks.
    vectors
        All rows of the gallery this one was restricted from.
    rows
        The rows of `vectors` that belong to this gallery.
    dropped_views
        Views that some rows have and others lack; not compared.
    encoder_sha256, crop_version
        Per model: weights and way of cropping; `NOT_STATED` is compared with itself only, and rankings say so.
    restriction
        What this gallery was restricted to.
    """

    photos: tuple[Photo, ...]
    views: tuple[View, ...]
    vectors: Vectors = field(repr=False)
    rows: NDArray[np.intp] = field(repr=False)
    dropped_views: tuple[View, ...]
    encoder_sha256: Mapping[str, str]
    crop_version: Mapping[str, str]
    restriction: Restriction = field(default_factory=Restriction)

    @classmethod
    def build(cls, photos: Sequence[Photo], encodings: Iterable[Encoding]) -> Gallery:
        """Join photos and encodings by photo id and view.

        Parameters
        ----------
        photos
            At least one; every id once.
        encodings
            In any order. Encodings of photos that are not in `photos` are refused.

        Raises
        ------
        NoGalleryError
            No photos.
        InputError
            A photo or a view of it twice, a vector without a direction (zero, NaN, infinite) or of the wrong shape.
        MismatchError
            One model with two sets of weights or two crop versions, an encoding of other pixels than the photo's, a
            photo without encodings, or no view that all photos share.
        """
        joined = join(photos, encodings)
        return cls.from_arrays(
            photos,
            joined.views,
            joined.blocks,
            encoder_sha256=joined.stamps.encoder_sha256,
            crop_version=joined.stamps.crop_version,
            dropped_views=joined.dropped_views,
        )

    @classmethod
    def from_arrays(
        cls,
        photos: Sequence[Photo],
        views: tuple[View, ...],
        blocks: Sequence[NDArray[np.float32]],
        *,
        encoder_sha256: Mapping[str, str],
        crop_version: Mapping[str, str],
        dropped_views: tuple[View, ...] = (),
    ) -> Gallery:
        """From one matrix per view.

        Parameters
        ----------
        photos
            n photos, every id once.
        views
            Names of the blocks.
        blocks
            One (n, d_v) float32 matrix per view, row i shows photo i; rows are scaled to unit length.
        encoder_sha256, crop_version
            Per model in `views`.
        dropped_views
            Views left out because some rows lack them, to be named in answers.

        Raises
        ------
        NoGalleryError
            No photos.
        InputError
            A photo or a view twice, a block of the wrong shape or type, a vector without a direction.
        MismatchError
            No views, or a model without weights or crop version.
        """
        if not photos:
            raise NoGalleryError("the gallery has no photos; import or simulate some first")
        refuse_repeats((p.id for p in photos), "photo")
        refuse_repeats(map(str, views), "view")
        if not views or len(views) != len(blocks):
            raise MismatchError(f"{len(views)} views and {len(blocks)} blocks of vectors; give one block per view")
        models = {view.model for view in views}
        if unknown := sorted(models - (set(encoder_sha256) & set(crop_version))):
            raise MismatchError(f"model '{unknown[0]}' has no weights sha256 or crop version; state both")
        order = sorted(range(len(photos)), key=lambda i: photos[i].id)
        columns = columns_of(views, blocks, len(photos))
        matrix = np.empty((len(photos), columns[-1].stop), np.float32)
        for view, block, column in zip(views, blocks, columns, strict=True):
            bad = unit_rows(
                block[order] if order != list(range(len(order))) else block, matrix[:, column.start : column.stop]
            )
            if len(bad):
                raise InputError(
                    f"photo '{photos[order[int(bad[0])]].id}', view {view}: the vector is zero, NaN or infinite; "
                    "encode the photo again or leave it out"
                )
        return cls.from_vectors(
            [photos[i] for i in order],
            views,
            Vectors(matrix, columns),
            np.arange(len(photos)),
            encoder_sha256=encoder_sha256,
            crop_version=crop_version,
            dropped_views=dropped_views,
        )

    @classmethod
    def from_vectors(
        cls,
        photos: Sequence[Photo],
        views: tuple[View, ...],
        vectors: Vectors,
        rows: NDArray[np.intp],
        *,
        encoder_sha256: Mapping[str, str],
        crop_version: Mapping[str, str],
        dropped_views: tuple[View, ...] = (),
    ) -> Gallery:
        """Over rows that are of unit length already, such as a memory-mapped matrix; nothing is copied or read.

        Parameters
        ----------
        photos
            n photos, every id once.
        views
            Names of the blocks of `vectors`.
        vectors
            At least the rows of this gallery; others are never compared.
        rows
            (n,) which row shows which photo.
        encoder_sha256, crop_version, dropped_views
            As in `from_arrays`.

        Raises
        ------
        NoGalleryError
            No photos.
        InputError
            A photo twice.
        MismatchError
            Not one block per view, or not one row per photo.
        """
        if not photos:
            raise NoGalleryError("the gallery has no photos; import or simulate some first")
        refuse_repeats((p.id for p in photos), "photo")
        if not views or len(views) != len(vectors.blocks) or len(rows) != len(photos):
            raise MismatchError(
                f"{len(views)} views and {len(vectors.blocks)} blocks, {len(photos)} photos and {len(rows)} rows; "
                "give one block per view and one row per photo"
            )
        order = sorted(range(len(photos)), key=lambda i: photos[i].id)
        models = sorted({view.model for view in views})
        return cls(
            tuple(photos[i] for i in order),
            tuple(views),
            vectors,
            np.asarray(rows, np.intp)[order],
            dropped_views,
            {m: encoder_sha256[m] for m in models},
            {m: crop_version[m] for m in models},
        )

    def __len__(self) -> int:
        return len(self.photos)

    def subset(
        self,
        *,
        ancestry: str | Collection[str] = (),
        sex: Sex | None = None,
        age_years: tuple[float, float] | None = None,
        patients: Collection[str] | None = None,
    ) -> Gallery:
        """Keep the part of the gallery that meets every condition given; shares the vectors.

        Raises
        ------
        NoGalleryError
            Nobody meets them.
        OptionError
            An impossible age range.
        """
        terms = (ancestry,) if isinstance(ancestry, str) else tuple(ancestry)
        named = None if patients is None else frozenset(patients)
        return self.restricted(Restriction(terms, sex, age_years, named))

    def restricted(self, restriction: Restriction) -> Gallery:
        """As `subset`, from a `Restriction`; the last few are kept, with all that was prepared for them."""
        if restriction == Restriction():
            return self
        if restriction not in self._restricted:
            if self.restriction != Restriction():
                raise MismatchError(
                    f"the gallery is already restricted to {self.restriction}; restrict the whole gallery once"
                )
            keep = np.array([i for i, photo in enumerate(self.photos) if restriction.admits(photo)], dtype=np.intp)
            if not len(keep):
                raise NoGalleryError(
                    f"nobody in the gallery of {len(self)} photos is {restriction}; widen the restriction"
                )
            while len(self._restricted) >= 8:
                self._restricted.pop(next(iter(self._restricted)))
            self._restricted[restriction] = Gallery(
                tuple(self.photos[i] for i in keep),
                self.views,
                self.vectors,
                self.rows[keep],
                self.dropped_views,
                self.encoder_sha256,
                self.crop_version,
                restriction,
            )
        return self._restricted[restriction]

    def composition(self) -> Composition:
        """Count patients and photos, by ancestry, sex, age band and disorder."""
        return self._composition

    @cached_property
    def digest(self) -> str:
        """SHA-256 over ids, labels, vectors, weights and crop versions; independent of the order photos came in."""
        total = hashlib.sha256(repr((self.views, dict(self.encoder_sha256), dict(self.crop_version))).encode())
        for photo, row in zip(self.photos, self.rows, strict=True):
            total.update(repr(photo).encode())
            total.update(self.vectors.matrix[row].tobytes())
        return total.hexdigest()

    @cached_property
    def _composition(self) -> Composition:
        return composition_of(self.photos)

    @cached_property
    def kept(self) -> dict[Hashable, Any]:
        """What searches prepared from this gallery, by their own name for it; goes when the gallery goes."""
        return {}

    @cached_property
    def _restricted(self) -> dict[Restriction, Gallery]:
        return {}

    @cached_property
    def by_patient(self) -> Groups:
        """Rows of every patient."""
        return Groups.of([(photo.patient.id,) for photo in self.photos])

    @cached_property
    def by_disorder(self) -> Groups:
        """Rows of every disorder. Unaffected and undiagnosed people are in none."""
        return Groups.of([[d.disorder.id for d in photo.diagnoses] for photo in self.photos])

    @cached_property
    def by_gene(self) -> Groups:
        """Rows of every gene, and of every disorder without one."""
        return Groups.of([[repr_gene(label) for label in gene_labels(photo.diagnoses)] for photo in self.photos])

    @cached_property
    def disorders(self) -> dict[str, Disorder]:
        """By id."""
        return {d.id: d for photo in reversed(self.photos) for d in disorders_of(photo.diagnoses)}

    @cached_property
    def genes(self) -> dict[str, GeneLabel]:
        """By the key used in `by_gene`."""
        return {repr_gene(g): g for photo in reversed(self.photos) for g in gene_labels(photo.diagnoses)}

    @cached_property
    def patient_of_row(self) -> NDArray[np.intp]:
        """(n,) group number in `by_patient`."""
        numbers = np.empty(len(self), np.intp)
        numbers[self.by_patient.order] = self.by_patient.group_of_entry
        return numbers

    @cached_property
    def simulated_rows(self) -> NDArray[np.bool_]:
        """(n,) whether the patient is simulated."""
        return np.array([photo.patient.simulated for photo in self.photos], dtype=bool)

    def group_counts(self, groups: Groups) -> list[tuple[int, int, bool]]:
        """Per group of rows: patients, photos, whether any is simulated."""
        kept: dict[int, list[tuple[int, int, bool]]] = self.kept.setdefault("counts", {})
        if id(groups) not in kept:
            pairs = np.unique(groups.group_of_entry * len(self.by_patient) + self.patient_of_row[groups.order])
            patients = np.bincount(pairs // len(self.by_patient), minlength=len(groups))
            simulated = np.bincount(
                groups.group_of_entry, weights=self.simulated_rows[groups.order], minlength=len(groups)
            )
            photos = np.diff(groups.starts)
            kept[id(groups)] = list(zip(patients.tolist(), photos.tolist(), (simulated > 0).tolist(), strict=True))
        return kept[id(groups)]

    @cached_property
    def rows_of_pixels(self) -> dict[str, list[int]]:
        """Rows by the photo's pixel hash."""
        found: dict[str, list[int]] = {}
        for row, photo in enumerate(self.photos):
            found.setdefault(photo.sha256, []).append(row)
        return found


def repr_gene(label: GeneLabel) -> str:
    """Sortable key that keeps a gene and a disorder of the same name apart."""
    return f"{label.key}\x1f{'disorder' if label.stands_for_disorder else 'gene'}"
