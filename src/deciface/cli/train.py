"""`deciface train`: learn again what the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deciface.cli.output import emit, progress
from deciface.cli.train_cross_fitted import dysmorphic, landmarks
from deciface.cli.train_deepgestalt import deepgestalt
from deciface.cli.train_gestaltmatcher import gestaltmatcher

app = typer.Typer(help="Learn models from photos.", no_args_is_help=True)
app.command("gestaltmatcher")(gestaltmatcher)
app.command("deepgestalt")(deepgestalt)
app.command("dysmorphic")(dysmorphic)
app.command("landmarks")(landmarks)


@app.command("occlusion")
def occlusion(
    photos: Annotated[list[Path], typer.Argument(help="Photos of uncovered faces, at least 20 people.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the .npz goes.")],
    person: Annotated[int, typer.Option("--person-characters", min=1, help="How much of the name says who it is.")] = 3,
    seed: int = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Learn to tell covered eyes and mouths; prints how often each scene was called covered, people held out."""
    from deciface.faces import FaceFinder
    from deciface.models import ModelStore
    from deciface.photos import find_photos
    from deciface.training.occlusion import save, train_occlusion

    paths = find_photos(photos)
    finder = FaceFinder.from_store(ModelStore())
    with progress("painting and looking", len(paths)) as advance:
        models, table = train_occlusion(
            paths, finder=finder, person_of=lambda p: p.name[:person], seed=seed, advance=advance
        )
    save(models, output)
    lines = [
        f"{part}, {scene}: {called} of {count} called covered"
        for part, scenes in table.items()
        for scene, (called, count) in scenes.items()
    ]
    emit({"output": str(output), "seed": seed, "table": table}, "\n".join(lines), json=json)


@app.command("points")
def points(
    photos: Annotated[Path, typer.Argument(help="Folder of neutral photos, one per person, with .tem templates.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the .csv goes.")],
    seed: int = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Learn where mesh vertices lie off the points of their names; prints the error with people held out."""
    from deciface.errors import InputError
    from deciface.faces import FaceFinder
    from deciface.models import ModelStore
    from deciface.training.named_points import save, train_named_points

    templates = sorted(photos.glob("*.tem"))
    paths = [t.with_suffix(".jpg") for t in templates]
    if missing := [p.name for p in paths if not p.is_file()]:
        raise InputError(f"'{missing[0]}' is not in {photos}; a .jpg photo is needed beside every .tem template")
    with progress("looking", len(paths)) as advance:
        learnt = train_named_points(paths, finder=FaceFinder.from_store(ModelStore()), seed=seed, advance=advance)
    save(learnt, output)
    lines = [
        f"photos {kind}: {100 * error:.2f} % of the outer-canthal distance, {100 * before:.2f} % for bare vertices"
        for (kind, error), before in zip(learnt.error.items(), learnt.error_before.values(), strict=True)
    ]
    document = {"output": str(output), "seed": seed, "people": learnt.people, "error": learnt.error}
    emit(document | {"error_before": learnt.error_before}, "\n".join(lines), json=json)
