"""Turn a face diagnosis into its report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface import __version__
from deciface.errors import OptionError
from deciface.faces import align
from deciface.photos import read_photo
from deciface.reports.case import CaseReport, ReportedPhoto, render
from deciface.reports.pictures import shrunk
from deciface.store import DerivedKind, Workspace
from deciface.whole_files import write_whole
from deciface.workflows.diagnosing import FaceDiagnosis

NEIGHBOURS_SHOWN = 8
THUMBNAIL_PX = 176


def write_report(diagnosis: FaceDiagnosis, path: Path, *, workspace: Workspace | None, now: dt.datetime) -> None:
    """Write the HTML report of a diagnosis, whole or not at all.

    Pictures of gallery photos are shown for simulated people only. The workspace notes which of its patients the report
    names, so that it is erased with any of them.

    Raises
    ------
    StorageError
        When the file cannot be written.
    OptionError
        When the path is a folder.
    """
    facts = diagnosis.facts
    shown = [
        ("patient", facts.id),
        ("age", f"{facts.age_years:g} years" if facts.age_years is not None else None),
        ("sex", facts.sex),
        ("ancestry", facts.ancestry),
        ("recorded disorder", facts.recorded_disorder),
    ]
    page = render(
        CaseReport(
            title="Face report",
            facts=tuple((label, value) for label, value in shown if value),
            photos=tuple(
                ReportedPhoto(
                    Path(s.name).name,
                    s.remarks,
                    s.photo.pixels,
                    s.face,
                    s.quality,
                    align(s.photo.pixels, s.face, "mesh-256"),
                )
                for s in diagnosis.seen
            ),
            ranking=diagnosis.ranking,
            unusualness=diagnosis.unusualness,
            syndromic=diagnosis.syndromic,
            cards=diagnosis.cards,
            gallery_name=diagnosis.gallery_name,
            thumbnails=_thumbnails(diagnosis, workspace) if workspace else {},
            remarks=diagnosis.remarks,
            provenance=(
                ("DeciFace", __version__),
                ("rule", str(diagnosis.ranking.rule)),
                ("crops", ", ".join(diagnosis.ranking.crop_version.values())),
            ),
        ),
        now=now,
    )
    if path.is_dir():
        raise OptionError(f"'{path}' is a folder; name the report's file, e.g. {path / 'report.html'}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if workspace is None:
        write_whole(path, page.encode())
        return
    with workspace.deriving(DerivedKind.REPORT, [path], patients=_named(diagnosis, workspace)):
        write_whole(path, page.encode())


def _named(diagnosis: FaceDiagnosis, workspace: Workspace) -> frozenset[str]:
    """Patients of the workspace whom the report shows or names: the asked one, whoever was left out, all neighbours."""
    named = {hit.patient_id for hit in diagnosis.ranking.photos} | {p.patient_id for p in diagnosis.ranking.patients}
    named |= {out.patient_id for out in diagnosis.ranking.left_out}
    named |= {diagnosis.facts.id} if diagnosis.facts.id else set()
    asked = {seen.photo.pixel_sha256 for seen in diagnosis.seen}
    named |= {photo.patient.id for photo in workspace.photos() if photo.sha256 in asked}
    return frozenset(case.id for case in workspace.cases(ids=named))


def _thumbnails(diagnosis: FaceDiagnosis, workspace: Workspace) -> Mapping[str, NDArray[np.uint8]]:
    pictures = {}
    for hit in diagnosis.ranking.photos[:NEIGHBOURS_SHOWN]:
        if hit.simulated and workspace.has_image(hit.photo_id):
            pixels = read_photo(workspace.image_bytes(hit.photo_id), name=hit.photo_id).pixels
            h, w = pixels.shape[:2]
            side = min(h, w)
            square = pixels[(h - side) // 2 : (h + side) // 2, (w - side) // 2 : (w + side) // 2]
            pictures[hit.photo_id] = shrunk(np.ascontiguousarray(square), THUMBNAIL_PX)[0]
    return pictures
