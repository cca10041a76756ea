"""Write cases, photos and encodings out of a workspace, as far as policy and consent allow, and log it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from deciface.cases import Case
from deciface.consent import Action
from deciface.errors import InputError, NothingFoundError
from deciface.formats.encodings import check_target, encodings_paths, write_encodings
from deciface.formats.exchange import Exporter, Written
from deciface.formats.whole_folder import refuse_existing, whole_folder
from deciface.store import DerivedKind, Workspace
from deciface.workflows.exchange_formats import DICOM, ENCODINGS, GMDB, check_export_format, exporter_for, images_within


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    Parameters
    ----------
    files
        All that was written.
    cases, photos, encodings
        How many of each.
    left_out
        Patients, or their photos, that were not exported, and why, one line each.
    losses
        What the format cannot hold, one line each.
    """

    files: tuple[Path, ...]
    cases: int
    photos: int
    encodings: int
    left_out: tuple[str, ...]
    losses: tuple[str, ...]


def export_cases(
    workspace: Workspace,
    target: Path,
    *,
    format_name: str,
    patients: Collection[str] | None = None,
    to_site: str | None = None,
    with_photos: bool = False,
) -> Exported:
    """Export cases, or the encodings of their photos.

    The workspace notes every file before it is written, so that it is erased with any patient in it.

    Parameters
    ----------
    workspace
        Opened for the user who exports.
    target
        A new file, or a new folder where photos go along.
    format_name
        One of `exchange_formats.EXPORTED`.
    patients
        Only these; None: everybody who may be exported.
    to_site
        The site it goes to: only who agreed to be shared with it, records of published cases, simulated people.
    with_photos
        Write the photos too, of the patients whose consent covers them.

    Raises
    ------
    NothingFoundError
        When nobody may be exported.
    InputError, OptionError, StorageError, AccessError
        A patient who is not there; options that do not fit; a target that exists; a user who may not export at all.
    """
    check_export_format(format_name)
    refuse_existing(target)
    if format_name == ENCODINGS:
        check_target(target)
    chosen, left_out = _chosen(workspace, patients, format_name, to_site)
    if format_name == ENCODINGS:
        return _encodings(workspace, chosen, target, to_site, left_out)
    exporter = exporter_for(format_name, clock=workspace.clock, pixels=workspace.image_bytes)
    if format_name == DICOM or not with_photos:
        paths = exporter.paths(target)
        refuse_existing(*paths)
        with _going_out(workspace, chosen, paths, format_name, to_site):
            written = exporter.write(chosen, target)
        count = len(written.files) if format_name == DICOM else 0
        return Exported(written.files, len(chosen), count, 0, left_out, written.losses)
    shown, unseen = _with_consent(workspace, chosen, to_site)
    with _going_out(workspace, chosen, (target,), format_name, to_site):
        written, count = _with_photos(workspace, chosen, shown, target, exporter)
    return Exported(written.files, len(chosen), count, 0, (*left_out, *unseen), written.losses)


def _chosen(
    workspace: Workspace, patients: Collection[str] | None, format_name: str, to_site: str | None
) -> tuple[list[Case], tuple[str, ...]]:
    """Cases that may go out, and why the others may not."""
    cases = workspace.cases(ids=patients)
    if missing := sorted(set(patients or ()) - {case.id for case in cases}):
        raise InputError(f"patient '{missing[0]}' is not in the workspace, or not yours to see; list its cases first")
    wanted = {ENCODINGS: (Action.EXPORT_PHOTO,), DICOM: (Action.EXPORT, Action.EXPORT_PHOTO)}
    chosen, left_out = list(cases), []
    for action in wanted.get(format_name, (Action.EXPORT,)):
        decisions = workspace.decisions(action, [case.id for case in chosen], to_site=to_site)
        left_out += [f"patient '{case.id}': {decisions[case.id].reason}" for case in chosen if not decisions[case.id]]
        chosen = [case for case in chosen if decisions[case.id]]
    if format_name == GMDB:
        left_out += [
            f"patient '{case.id}': has no photo, and a row of this format is one" for case in chosen if not case.photos
        ]
        chosen = [case for case in chosen if case.photos]
    if not chosen:
        first = f"; {left_out[0]}" if left_out else ""
        raise NothingFoundError(f"nobody of {len(cases)} patients may be exported so{first}")
    return chosen, tuple(left_out)


def _with_consent(
    workspace: Workspace, cases: Sequence[Case], to_site: str | None
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Patients whose photos may go along, and why those of the others may not."""
    decisions = workspace.decisions(Action.EXPORT_PHOTO, [case.id for case in cases], to_site=to_site)
    unseen = [
        f"photos of patient '{case.id}': {decisions[case.id].reason}"
        for case in cases
        if case.photos and not decisions[case.id]
    ]
    return frozenset(case.id for case in cases if decisions[case.id]), tuple(unseen)


@contextmanager
def _going_out(
    workspace: Workspace,
    cases: Sequence[Case],
    paths: Sequence[Path],
    format_name: str,
    to_site: str | None,
) -> Iterator[None]:
    """Note what is written and of whom, and log that it went out once it is whole."""
    ids = [case.id for case in cases]
    with workspace.deriving(
        DerivedKind.EXPORT, paths, patients=ids, photos=[photo.id for case in cases for photo in case.photos]
    ):
        yield
        action = Action.EXPORT_PHOTO if format_name in (ENCODINGS, DICOM) else Action.EXPORT
        workspace.use(action, ids, purpose=f"{format_name} export to {to_site or 'this site'}")


def _encodings(
    workspace: Workspace, cases: Sequence[Case], target: Path, to_site: str | None, left_out: tuple[str, ...]
) -> Exported:
    photo_ids = {photo.id for case in cases for photo in case.photos}
    found = [e for e in workspace.encodings() if e.photo_id in photo_ids]
    if not found:
        raise NothingFoundError("none of the photos that may be exported is encoded; import their images first")
    paths = encodings_paths(target)
    refuse_existing(*paths)
    with _going_out(workspace, cases, paths, ENCODINGS, to_site):
        write_encodings(found, target)
    return Exported(paths, len(cases), 0, len(found), left_out, ())


def _with_photos(
    workspace: Workspace, cases: Sequence[Case], shown: Collection[str], target: Path, exporter: Exporter
) -> tuple[Written, int]:
    """A folder: the cases, and their photos beside them where the format looks for them."""
    images = images_within(exporter.name)
    count = 0
    with whole_folder(target) as folder:
        (folder / "photos").mkdir()
        named = []
        for case in cases:
            photos = []
            for photo in case.photos:
                if case.id not in shown or not workspace.has_image(photo.id):
                    photos.append(photo)
                    continue
                count += 1
                content = workspace.image_bytes(photo.id)
                suffix = "png" if content.startswith(b"\x89PNG") else "jpg"
                name = f"{count:06d}_{re.sub(r'[^A-Za-z0-9-]+', '-', photo.id)[:60].strip('-')}.{suffix}"
                (folder / "photos" / name).write_bytes(content)
                photos.append(replace(photo, file_name=images.named + name))
            named.append(case.with_photos(photos))
        made = folder / (images.cases or ".cases")
        written = exporter.write(named, made)
        files = tuple(target / file.relative_to(folder if images.cases else made) for file in written.files)
        if not images.cases:  # a format that is a folder: its files are those of the export's
            for file in made.iterdir():
                file.rename(folder / file.name)
            made.rmdir()
        (folder / "photos").rename(folder / images.folder)
    return Written((*files, target / images.folder), written.losses), count
