"""`deciface simulate`: faces and cohorts of simulated people, features planted in your photos, the model behind it."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from deciface.cases import SIMULATED, Sex
from deciface.cli.output import emit, note, progress
from deciface.errors import OptionError

app = typer.Typer(help="Simulated people with known truth. No real patient, no real disorder.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same people.")]
Feature = Annotated[
    list[str] | None,
    typer.Option("--feature", help="NAME=SD, e.g. hypertelorism=2; repeat it. See `simulate features`."),
]
ModelFile = Annotated[Path | None, typer.Option("--model", help="Another appearance model (.npz).")]


def _amounts(texts: list[str] | None) -> dict[str, float]:
    amounts = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        try:
            amounts[name.strip()] = float(value)
        except ValueError:
            raise OptionError(f"--feature {text}: write NAME=SD, e.g. hypertelorism=2") from None
        if not equals:
            raise OptionError(f"--feature {text}: write NAME=SD, e.g. hypertelorism=2")
    return amounts


@app.command("features")
def features(*, json: Json = False) -> None:
    """List what can be planted, with HPO terms."""
    from deciface.simulate import FEATURES

    document = {name: {"more": f.term(1), "less": f.term(-1), "hpo": f.hpo} for name, f in FEATURES.items()}
    lines = [f"{name}: + {entry['more']}, - {entry['less']}" for name, entry in document.items()]
    emit({"features": document}, "\n".join(lines), json=json)


@app.command("faces")
def faces(
    folder: Annotated[Path, typer.Argument(help="Where the photos go.")],
    *,
    count: Annotated[int, typer.Option("--count", min=1, max=100_000)] = 8,
    ancestry: Annotated[
        str | None, typer.Option("--ancestry", help="One group of the model; all in turn when left out.")
    ] = None,
    sex: Annotated[Sex | None, typer.Option("--sex")] = None,
    age_years: Annotated[float, typer.Option("--age-years", min=18, max=70)] = 30.0,
    feature: Feature = None,
    seed: Seed = 1,
    model: ModelFile = None,
    json: Json = False,
) -> None:
    """Make faces of simulated people, with a truth record each (truth.jsonl)."""
    from deciface.photos import write_photo
    from deciface.simulate import AppearanceModel, simulate_face

    appearance = AppearanceModel.load(model) if model else AppearanceModel.shipped()
    amounts = _amounts(feature)
    if (folder / "truth.jsonl").exists():
        raise OptionError(f"'{folder}' has simulated faces already; name another folder")
    made = []
    with progress("simulating", count) as advance:
        for number in range(count):
            face = simulate_face(
                appearance,
                seed * 100_003 + number,
                sex=sex or (Sex.FEMALE, Sex.MALE)[number // len(appearance.ancestries) % 2],
                ancestry=ancestry or appearance.ancestries[number % len(appearance.ancestries)],
                age_years=age_years,
                features=amounts,
            )
            name = f"simulated-{number + 1:04d}.jpg"
            folder.mkdir(parents=True, exist_ok=True)
            write_photo(face.pixels, folder / name, quality=92)
            made.append({"photo": name, **face.truth.as_json()})
            advance()
    from deciface.whole_files import write_whole

    write_whole(folder / "truth.jsonl", "".join(json_module.dumps(m) + "\n" for m in made).encode())
    emit(
        {"folder": str(folder), "notice": SIMULATED, "photos": [m["photo"] for m in made]},
        f"{count} faces of {SIMULATED} in {folder}",
        json=json,
    )


@app.command("cohort")
def cohort(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    *,
    patients: Annotated[int, typer.Option("--patients", min=0, help="Per disorder.")] = 20,
    unaffected: Annotated[int, typer.Option("--unaffected", min=0)] = 50,
    ancestry: Annotated[
        list[str] | None, typer.Option("--ancestry", help="Repeat it; people are divided evenly.")
    ] = None,
    severity_sd: Annotated[
        float, typer.Option("--severity", help="Mean amount of each feature, 0 to 3.33 SD; 0 plants nothing.")
    ] = 2.0,
    seed: Seed = 1,
    model: ModelFile = None,
    json: Json = False,
) -> None:
    """Make a cohort: patients of simulated disorders and unaffected people, photos, case table, truth."""
    from dataclasses import replace

    from deciface.encoders import available_cores
    from deciface.simulate import AppearanceModel, CohortPlan, simulate_cohort

    appearance = AppearanceModel.load(model) if model else AppearanceModel.shipped()
    plan = CohortPlan(patients_per_disorder=patients, unaffected=unaffected, severity_sd=severity_sd)
    if ancestry:
        plan = replace(plan, ancestries=tuple(ancestry))
    with progress("simulating", 1) as advance:
        made = simulate_cohort(
            appearance,
            folder,
            plan=plan,
            seed=seed,
            workers=available_cores(),
            progress=lambda done, total: advance(1, total=total) if done else None,
        )
    emit(
        {
            "folder": str(made.folder),
            "cases": str(made.cases),
            "people": made.people,
            "photos": made.photos,
            "notice": SIMULATED,
        },
        f"{made.people} people, {made.photos} photos, {made.cases}: {SIMULATED}",
        json=json,
    )


@app.command("warp")
def warp(
    photo: Annotated[Path, typer.Argument(help="Your photo; a .tem template of the same name beside it is used.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the warped photo goes.")],
    feature: Feature = None,
    sham: Annotated[bool, typer.Option("--sham", help="Warp as strongly, but plant nothing.")] = False,
    seed: Seed = 1,
    json: Json = False,
) -> None:
    """Plant features in a photo you supply; by its template, else by the face mesh."""
    from deciface.faces import FaceFinder
    from deciface.models import ModelStore
    from deciface.photos import read_photo, write_photo
    from deciface.simulate import PhotoAnchors, read_template, warp_photo

    if not feature:
        raise OptionError("nothing to plant: name at least one --feature NAME=SD (see `deciface simulate features`)")
    pixels = read_photo(photo).pixels
    template = photo.with_suffix(".tem")
    if template.exists():
        anchors = PhotoAnchors.from_template(read_template(template))
    else:
        anchors = PhotoAnchors.from_mesh(FaceFinder.from_store(ModelStore()).find(pixels).choose().mesh_px)
        note("placed by the face mesh: amounts are exact, places are not quite; a .tem template is better")
    warped, truth = warp_photo(pixels, anchors, features=_amounts(feature), mode="sham" if sham else "plant", seed=seed)
    write_photo(warped, output)
    emit({"output": str(output), "truth": truth.as_json()}, f"{truth.mode}: {output}", json=json)


@app.command("fit")
def fit_model(
    photos: Annotated[Path, typer.Argument(help="A folder of neutral photos, each with its .tem template.")],
    *,
    groups: Annotated[Path, typer.Option("--groups", help="CSV: photo (or face_id), ancestry, sex, age_years.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the .npz goes; its card goes beside it.")],
    source: Annotated[
        str, typer.Option("--source", help="Where the photos come from and under which licence; 'london' for that set.")
    ],
    json: Json = False,
) -> None:
    """Learn an appearance model: group means and principal components, no photo and no vector of a person."""
    from threadpoolctl import threadpool_limits

    from deciface.simulate import fit
    from deciface.simulate.training_set import LONDON_SOURCE, read_training_set, write_card

    training = read_training_set(photos, groups)
    with progress("reading photos", len(training.photos)) as advance, threadpool_limits(1):  # same photos, same file
        model = fit(
            training.photos,
            training.templates,
            training.groups,
            source=LONDON_SOURCE if source == "london" else source,
            progress=lambda *_: advance(),
        )
    model.save(output)
    card = output.with_suffix(".card.yaml")
    command = f"deciface simulate fit {photos.name} --groups {groups.name} --source '{source}' -o {output.name}"
    write_card(model, card, training=training, command=command)
    emit(
        {"output": str(output), "card": str(card), "people": len(training.photos), "sha256": model.sha256},
        f"appearance model of {len(training.photos)} people: {output}, {card}",
        json=json,
    )
