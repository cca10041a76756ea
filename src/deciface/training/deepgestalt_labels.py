"""Who is in which class of a DeepGestalt-type model: one disorder against the rest, genes of a disorder, disorders.

A diagnosis that is only suspected is no label. Left out is whoever cannot be labelled: nothing is known of them, or
more than one of the classes is theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Photo
from deciface.encoders.deepgestalt import Label, ModelKind
from deciface.errors import InputError, OptionError
from deciface.training.photos import settled

REST = Label("rest", "all others")
FEWEST_PATIENTS = 3
"""A class needs one patient to be tested on, one to stop by, and one to learn from."""
_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Labelled:
    """Classes of photos.

    Parameters
    ----------
    kind, labels
        What the classes are; class k is the k-th label. In a binary model `REST` is class 0.
    class_of
        (n,) number of the class of each photo given, -1 for those left out.
    disorders
        Ids asked for; of a multi-class model those of all classes.
    """

    kind: ModelKind
    labels: tuple[Label, ...]
    class_of: NDArray[np.intp]
    disorders: tuple[str, ...]

    def label_of(self, row: int) -> str:
        """Id of the class of a photo, empty where it was left out."""
        number = int(self.class_of[row])
        return self.labels[number].id if number >= 0 else ""


def label_photos(
    photos: Sequence[Photo], kind: ModelKind, *, disorders: Sequence[str] = (), leave_out_small: bool = False
) -> Labelled:
    """Label photos.

    Parameters
    ----------
    photos
        Of the training cohort.
    kind
        What is to be told apart.
    disorders
        Binary: the one disorder. Specialised: those whose genes are told apart, one or several ids. Multi-class: none
        (every disorder is a class), or those that are to be classes.
    leave_out_small
        Leave classes with fewer than `FEWEST_PATIENTS` patients out, where they would otherwise be refused.

    Raises
    ------
    OptionError
        An unknown id, none or too many of them, or a disorder without genes.
    InputError
        A class with too few patients, or fewer than two classes.
    """
    wanted = tuple(dict.fromkeys(disorders))
    names = _known_disorders(photos)
    _check_disorders(kind, wanted, names)
    if kind is ModelKind.BINARY:
        return _binary(photos, wanted[0], names)
    if kind is ModelKind.SPECIALISED:
        ids = [_only(g for d in settled(photo) if d.disorder.id in wanted for g in d.genes) for photo in photos]
        named = {gene: gene for gene in ids if gene}
        if not named:
            raise OptionError(f"nobody with {', '.join(wanted)} has exactly one gene recorded; add genes to the table")
    else:
        allowed = set(wanted or names)
        ids = [_only(d.disorder.id for d in settled(photo) if d.disorder.id in allowed) for photo in photos]
        named = {one: names[one] for one in ids if one}
    patients = _patients_by_class(photos, ids)
    small = sorted(one for one in named if len(patients.get(one, ())) < FEWEST_PATIENTS)
    if small and not leave_out_small:
        raise InputError(_too_small(small, patients))
    kept = sorted(set(named) - set(small))
    if len(kept) < 2:
        raise InputError(
            f"{len(kept)} {'class' if len(kept) == 1 else 'classes'} with {FEWEST_PATIENTS} or more patients; "
            "at least 2 are needed: add patients"
        )
    number = {one: k for k, one in enumerate(kept)}
    class_of = np.array([number.get(one, -1) for one in ids], np.intp)
    asked = wanted if kind is ModelKind.SPECIALISED else tuple(kept)
    return Labelled(kind, tuple(Label(one, named[one]) for one in kept), class_of, asked)


def _binary(photos: Sequence[Photo], disorder: str, names: dict[str, str]) -> Labelled:
    def of(photo: Photo) -> str:
        if any(d.disorder.id == disorder for d in settled(photo)):
            return disorder
        suspected = any(d.disorder.id == disorder for d in photo.diagnoses)
        return REST.id if not suspected and (photo.unaffected or settled(photo)) else ""

    ids = [of(photo) for photo in photos]
    patients = _patients_by_class(photos, ids)
    small = [one for one in (REST.id, disorder) if len(patients.get(one, ())) < FEWEST_PATIENTS]
    if small:
        raise InputError(_too_small(small, patients))
    class_of = np.array([(REST.id, disorder).index(one) if one else -1 for one in ids], np.intp)
    return Labelled(ModelKind.BINARY, (REST, Label(disorder, names[disorder])), class_of, (disorder,))


def _known_disorders(photos: Sequence[Photo]) -> dict[str, str]:
    return {d.disorder.id: d.disorder.name for photo in photos for d in settled(photo)}


def _check_disorders(kind: ModelKind, wanted: Sequence[str], names: dict[str, str]) -> None:
    if kind is ModelKind.BINARY and len(wanted) != 1:
        raise OptionError(f"a binary model tells one disorder from the rest; {len(wanted)} given: name one --disorder")
    if kind is ModelKind.SPECIALISED and not wanted:
        raise OptionError("a specialised model tells the genes of a disorder apart; name it with --disorder")
    for one in wanted:
        if one not in names:
            shown = ", ".join(sorted(names)[:_SHOWN]) or "no disorder at all"
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise OptionError(f"disorder '{one}' is not in the cohort; it has {shown}{more}: choose from these")


def _only(found: Iterable[str]) -> str:
    """The one of them, empty where there are none or several."""
    different = set(found)
    return different.pop() if len(different) == 1 else ""


def _patients_by_class(photos: Sequence[Photo], ids: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    class_of: dict[str, str] = {}
    for photo, one in zip(photos, ids, strict=True):
        who = photo.patient.id
        if one:
            if class_of.setdefault(who, one) != one:
                raise InputError(
                    f"patient '{who}' is '{class_of[who]}' in one photo and '{one}' in another; correct the case table"
                )
            found.setdefault(one, set()).add(who)
    return found


def _too_small(small: Sequence[str], patients: dict[str, set[str]]) -> str:
    shown = ", ".join(f"'{one}' ({len(patients.get(one, ()))})" for one in small[:_SHOWN])
    more = f" and {len(small) - _SHOWN} more" if len(small) > _SHOWN else ""
    return (
        f"too few patients in class {shown}{more}; each class needs {FEWEST_PATIENTS}, to learn from, to stop by and "
        "to test on: add patients, or leave such disorders or genes out with --leave-out-small"
    )
