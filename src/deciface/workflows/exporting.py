"""Write cases, photos and encodings out of a workspace, as far as policy and consent allow, and log it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deciface import __version__
from deciface.cases import Case
from deciface.consent import Action
from deciface.errors import InputError, NothingFoundError, OptionError
from deciface.formats.encodings import write_encodings
from deciface.formats.exchange import Exporter, Written
from deciface.formats.whole_folder import refuse_existing, whole_folder
from deciface.store import DerivedKind, Workspace
from deciface.workflows.exchange_formats import ENCODINGS, EXPORTED, exporter_for

_FOLDERS = {"gmdb"}
_SUFFIX = {"csv": "cases.csv", "xlsx": "cases.xlsx", "phenopackets": "phenopackets.jsonl"}


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
        Patients that were not exported, and why, one line each.
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
        The site it goes to: only patients who agreed to be shared with it, published cases and simulated people.
    with_photos
        Write the photos too, where the patient's consent covers them.

    Raises
    ------
    NothingFoundError
        When nobody may be exported.
    InputError, OptionError, StorageError, AccessError
        A patient who is not there; options that do not fit; a target that exists; a user who may not export at all.
    """
    if format_name not in EXPORTED:
        raise OptionError(f"--format {format_name}: allowed are {', '.join(EXPORTED)}")
    photos_go = with_photos or format_name in {ENCODINGS, "dicom"}
    action = Action.EXPORT_PHOTO if photos_go else Action.EXPORT
    refuse_existing(target)
    cases = workspace.cases(ids=patients)
    if missing := sorted(set(patients or ()) - {case.id for case in cases}):
        raise InputError(f"patient '{missing[0]}' is not in the workspace, or not yours to see; list its cases first")
    decisions = workspace.decisions(action, [case.id for case in cases], to_site=to_site)
    chosen = [case for case in cases if decisions[case.id]]
    left_out = [f"patient '{case.id}': {decisions[case.id].reason}" for case in cases if not decisions[case.id]]
    if not chosen:
        first = f"; {left_out[0]}" if left_out else ""
        raise NothingFoundError(f"nobody of {len(cases)} patients may be exported so{first}")
    photo_ids = [photo.id for case in chosen for photo in case.photos]
    workspace.use(action, [case.id for case in chosen], purpose=f"{format_name} export to {to_site or 'this site'}")
    if photo_ids:
        workspace.register(DerivedKind.EXPORT, target.absolute(), photo_ids)
    encodings = 0
    if format_name == ENCODINGS:
        encodings = _encodings(workspace, target, set(photo_ids))
        return Exported((target,), len(chosen), 0, encodings, tuple(left_out), ())
    if format_name == "dicom":
        written, count = _dicom(workspace, chosen, target)
    elif with_photos:
        written, count = _with_photos(workspace, chosen, target, format_name)
    else:
        written, count = _exporter(workspace, format_name).write(chosen, target), 0
    return Exported(written.files, len(chosen), count, encodings, tuple(left_out), written.losses)


def _exporter(workspace: Workspace, format_name: str) -> Exporter:
    return exporter_for(format_name, clock=workspace.clock, created_by=f"DeciFace {__version__}")


def _encodings(workspace: Workspace, target: Path, photo_ids: Collection[str]) -> int:
    found = [e for e in workspace.encodings() if e.photo_id in photo_ids]
    if not found:
        raise NothingFoundError("none of the photos that may be exported is encoded; import their images first")
    write_encodings(found, target)
    return len(found)


def _dicom(workspace: Workspace, cases: Sequence[Case], target: Path) -> tuple[Written, int]:
    from deciface.formats.dicom_photo_out import DicomPhotoExporter

    written = DicomPhotoExporter(workspace.image_bytes).write(cases, target)
    return written, len(written.files)


def _with_photos(workspace: Workspace, cases: Sequence[Case], target: Path, format_name: str) -> tuple[Written, int]:
    """A folder: the cases, and their photos in `photos/`, which the cases name."""
    count = 0
    with whole_folder(target) as folder:
        (folder / "photos").mkdir()
        named = []
        for case in cases:
            photos = []
            for photo in case.photos:
                if not workspace.has_image(photo.id):
                    photos.append(photo)
                    continue
                count += 1
                content = workspace.image_bytes(photo.id)
                suffix = "png" if content.startswith(b"\x89PNG") else "jpg"
                name = f"photos/{count:06d}_{re.sub(r'[^A-Za-z0-9-]+', '-', photo.id)[:60].strip('-')}.{suffix}"
                (folder / name).write_bytes(content)
                photos.append(replace(photo, file_name=name))
            named.append(case.with_photos(photos))
        inner = folder / "gmdb" if format_name in _FOLDERS else folder / _SUFFIX[format_name]
        written = _exporter(workspace, format_name).write(named, inner)
    files = tuple(target / file.relative_to(folder) for file in written.files)
    losses = tuple(line for line in written.losses if "photos sha256" not in line)  # the pixels themselves go along
    return Written((*files, target / "photos"), losses), count
