"""Turn a face diagnosis into its report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface import __version__
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

    Pictures of gallery photos are shown for simulated people only. The workspace notes which of its photos the report
    names, so that it is erased with any of them.

    Raises
    ------
    StorageError
        When the file cannot be written.
    AccessError
        When the user may not see one of the photos that it names.
    """
    facts = diagnosis.facts
    if workspace is not None:
        named = {hit.photo_id for hit in diagnosis.ranking.photos}
        named |= {out.photo_id for out in diagnosis.ranking.left_out}
        workspace.register(DerivedKind.REPORT, path.absolute(), sorted(named))
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
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page.encode())


def _thumbnails(diagnosis: FaceDiagnosis, workspace: Workspace) -> Mapping[str, NDArray[np.uint8]]:
    pictures = {}
    for hit in diagnosis.ranking.photos[:NEIGHBOURS_SHOWN]:
        if hit.simulated:
            pixels = read_photo(workspace.image_bytes(hit.photo_id), name=hit.photo_id).pixels
            h, w = pixels.shape[:2]
            side = min(h, w)
            square = pixels[(h - side) // 2 : (h + side) // 2, (w - side) // 2 : (w + side) // 2]
            pictures[hit.photo_id] = shrunk(np.ascontiguousarray(square), THUMBNAIL_PX)[0]
    return pictures
