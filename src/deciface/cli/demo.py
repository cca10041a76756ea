"""`deciface demo`: the whole main job on simulated people, and a first look at your own photo."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import typer

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED
from deciface.cli.output import emit, note, progress


def demo(
    *,
    folder: Annotated[Path, typer.Option("--folder", help="Where everything goes.")] = Path("demo"),
    photo: Annotated[Path | None, typer.Option("--photo", help="Your own photo: quality and crop.")] = None,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", envvar="DECIFACE_WORKSPACE", help="Your gallery, for --photo.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the report.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Simulate a cohort, rank held-out patients, print accuracy against chance, write a report."""
    from deciface.models import ModelStore
    from deciface.workflows.demonstrating import demonstrate

    store = ModelStore()
    done = demonstrate(folder, store=store, now=dt.datetime.now(dt.UTC), progress=progress)
    lines = [
        f"DeciFace demonstration with {SIMULATED}.",
        f"{done.people} people, {done.photos} photos, {done.held_out} patients held out and ranked against the others.",
    ]
    for rule in dict.fromkeys(a.rule for a in done.accuracy):
        lines.append(f"rule {rule}:")
        lines += [f"    {a}" for a in done.accuracy if a.rule is rule]
    lines.append(f"report of one held-out simulated patient, chosen because their disorder came first: {done.report}")
    document = done.as_document()
    if photo is not None:
        own, said = _own_photo(photo, store, done.folder, workspace)
        document["own_photo"] = own
        lines += said
    lines.append(RESEARCH_USE_ONLY)
    emit(document, "\n".join(lines), json=json)
    if not no_browser:
        import webbrowser

        if not webbrowser.open(done.report.resolve().as_uri()):
            note(f"open {done.report} in a browser")


def _own_photo(photo: Path, store: Any, folder: Path, workspace: Path | None) -> tuple[dict[str, Any], list[str]]:  # noqa: ANN401 - a ModelStore, imported when used
    """Quality and crop of the user's photo, and its ranking only against a gallery of their own."""
    from deciface.cli.diagnose import lines_of
    from deciface.faces import align
    from deciface.photos import write_photo
    from deciface.workflows.diagnosing import diagnose, ensemble_of
    from deciface.workflows.encoding import PhotoEncoder
    from deciface.workflows.galleries import open_gallery
    from deciface.workflows.looking import look

    encoder = PhotoEncoder(store)
    seen = look(photo, encoder.finder)
    crop = folder / "your-photo-crop.png"
    write_photo(align(seen.photo.pixels, seen.face, "mesh-256"), crop)
    lines = [f"your photo {photo.name}: quality {seen.quality.verdict}; crop: {crop}"]
    lines += [f"    {advice}" for advice in seen.quality.advice]
    document: dict[str, Any] = {**seen.as_document(), "crop": str(crop), "ranking": None}
    if workspace is None:
        lines.append(
            "    it is not ranked: the demonstration's disorders are simulated. Import real patients (deciface init, "
            "deciface import), then: make demo PHOTO=... with DECIFACE_WORKSPACE set, or deciface diagnose"
        )
        return document, lines
    gallery = open_gallery(workspace, say=note)
    answer = diagnose(
        [photo], gallery, encoder=PhotoEncoder(store, ensemble=ensemble_of(gallery)), gallery_name=workspace.name
    )
    document["ranking"] = answer.as_document()
    return document, lines + lines_of(answer)
