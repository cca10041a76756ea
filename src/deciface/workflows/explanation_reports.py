"""Turn an explanation into its report."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from deciface import __version__
from deciface.cases import SIMULATED
from deciface.errors import OptionError
from deciface.reports.explanation import ExplanationReport, render
from deciface.reports.page import Head
from deciface.store import DerivedKind, Workspace
from deciface.whole_files import write_whole
from deciface.workflows.explaining import Explanation, people_counts

_OTHER_ANCESTRY = (
    "Controls are not matched on the patient's ancestry: what looks like the disorder may be ancestry. State it, or "
    "choose a gallery with at least 20 unaffected people of it."
)


def write_explanation(answer: Explanation, path: Path, *, workspace: Workspace | None, now: dt.datetime) -> None:
    """Write the HTML report, whole or not at all; a workspace notes whose photos are in it.

    Raises
    ------
    OptionError
        When the path is a folder.
    StorageError
        When the file cannot be written.
    """
    if path.is_dir():
        raise OptionError(f"'{path}' is a folder; name the report's file, e.g. {path / 'explanation.html'}")
    head = Head(
        title=f"What speaks for {answer.disorder.name}",
        facts=(("photo", answer.seen.name), ("gallery", answer.gallery_name)),
        notices=(
            *([f"The gallery holds {SIMULATED}."] if answer.simulated else []),
            *([] if "ancestry" in answer.matched.matched_on else [_OTHER_ANCESTRY]),
            *answer.remarks[1:],
        ),
        provenance=(
            ("DeciFace", __version__),
            *((f"encoder {c.id}", f"{c.name}; sha256 {c.sha256}") for c in answer.cards),
            ("views", ", ".join(answer.views)),
        ),
    )
    named = (("patients with the disorder", answer.patients), ("controls", answer.controls))
    counted = [(name, people_counts(photos)) for name, photos in named]
    page = render(
        ExplanationReport(
            head=head,
            disorder=answer.disorder.name,
            crop=answer.crop,
            occlusion=answer.occlusion,
            regions=answer.regions,
            matched=answer.remarks[0],
            groups=tuple((name, c["people"], c["by_ancestry"], c["by_sex"]) for name, c in counted),
        ),
        now=now,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    if workspace is None:
        write_whole(path, page.encode())
        return
    people = {p.patient.id for p in (*answer.patients, *answer.controls)} | set(answer.own_patients)
    stored = frozenset(case.id for case in workspace.cases(ids=people))
    with workspace.deriving(DerivedKind.REPORT, [path], patients=stored):
        write_whole(path, page.encode())
