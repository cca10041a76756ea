"""`deciface photo check` and `deciface encode`: what is in a photo, and a face as vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deciface.cases import Sex
from deciface.cli.output import emit, note, progress
from deciface.encoders.precision import Precision
from deciface.errors import DeciFaceError, ModelError, OptionError

app = typer.Typer(help="Photos: is there a face, and is it good enough?", no_args_is_help=True)

Photos = Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
FaceNumber = Annotated[int | None, typer.Option("--face", min=1, help="Which face, by size; 1 is the largest.")]
Ensemble = Annotated[
    str, typer.Option("--encoder", help="Encoders joined by '+', views after ':', e.g. dlib-resnet:straight,flip.")
]
Device = Annotated[str, typer.Option("--device", help="cpu, or cuda for models that run on PyTorch.")]
InPrecision = Annotated[
    Precision, typer.Option("--precision", help="bf16 only where it keeps the ranking of these photos; it is checked.")
]


@app.command("check")
def check(
    photos: Photos,
    *,
    face: FaceNumber = None,
    crops: Annotated[Path | None, typer.Option("--crops", help="Write the aligned crops into this folder.")] = None,
    norms: Annotated[
        Path | None, typer.Option("--norms", help="CSV of norms by sex, age and ancestry (docs/measurements.md).")
    ] = None,
    sex: Annotated[Sex, typer.Option("--sex", help="Of the person: chooses the norm.")] = Sex.UNKNOWN,
    age_years: Annotated[
        float | None,
        typer.Option("--age-years", min=0, max=120, help="At the photo: chooses the norm; for millimetres."),
    ] = None,
    ancestry: Annotated[str | None, typer.Option("--ancestry", help="As the norms write it: chooses the norm.")] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Page of one photo: points with their confidence on the face, measurements."),
    ] = None,
    json: Json = False,
) -> None:
    """Find faces, judge photos and measure: quality with advice; ratios and angles of the face with their error."""
    import datetime as dt

    from deciface.faces import FaceFinder, align
    from deciface.faces.landmark_model import LANDMARKS_ID, LandmarkModel
    from deciface.faces.norms import read_norms
    from deciface.models import ModelStore
    from deciface.photos import find_photos, write_photo
    from deciface.workflows.encoding import photo_ids
    from deciface.workflows.looking import look
    from deciface.workflows.measuring import ASKED, Described, lines_of, place_and_measure, write_measured

    paths = find_photos(photos)
    if report and len(paths) > 1:
        raise OptionError(f"--report is the page of one photo, and {len(paths)} are given; name one")
    who = Described(sex, age_years, ancestry)
    known = read_norms(norms) if norms else None
    store = ModelStore()
    finder = FaceFinder.from_store(store)
    model = LandmarkModel.from_store(store) if store.knows(LANDMARKS_ID) else None
    if model is None and (report or norms):
        raise ModelError(f"there is no landmark model '{LANDMARKS_ID}' to measure with; add one by deciface models add")
    documents: list[dict[str, Any]] = []
    lines: list[str] = []
    codes: list[int] = []
    with progress("checking photos", len(paths)) as advance:
        for path, name in zip(paths, photo_ids(paths), strict=True):
            try:
                seen = look(path, finder, name=name, face_number=face)
            except DeciFaceError as error:
                if len(paths) == 1:
                    raise
                codes.append(error.exit_code)
                documents.append({"photo": name, "error": str(error)})
                lines.append(f"{name}: {error}")
            else:
                found = place_and_measure(seen, model, norms=known, who=who) if model else None
                documents.append(seen.as_document() | (found.as_document() if found else {}))
                lines.append(f"{name}: {seen.quality.verdict}")
                lines += [
                    f"    {c.name}: {c.value:g} {c.unit} (limit {c.limit}): {c.verdict}. {c.advice}".rstrip()
                    for c in seen.quality.checks
                    if c.advice
                ]
                lines += [f"    note: {remark}" for remark in seen.remarks]
                if found:
                    said = lines_of(found) if len(paths) == 1 else [f"{ASKED}: {q}" for q in found.questions]
                    lines += [f"    {line}" for line in said]
                if found and report:
                    source = norms.name if norms else ""
                    now = dt.datetime.now(dt.UTC)
                    write_measured(seen, found, report, norms_source=source, who=who, now=now)
                    note(f"report: {report}")
                if crops:
                    crops.mkdir(parents=True, exist_ok=True)
                    stem = name.replace("/", "_").rsplit(".", 1)[0]
                    write_photo(align(seen.photo.pixels, seen.face, "mesh-256"), crops / f"{stem}_crop.png")
            advance()
    emit({"photos": documents}, "\n".join(lines), json=json)
    if codes:
        raise typer.Exit(2 if 2 in codes else 3)


def encode(
    photos: Photos,
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="x.csv (GestaltMatcher-Arc's columns), .parquet, .npz")
    ],
    encoder: Ensemble = "dlib-resnet",
    face: FaceNumber = None,
    device: Device = "cpu",
    precision: InPrecision = Precision.FP32,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Write the good photos even when others have problems.")
    ] = False,
    json: Json = False,
) -> None:
    """Encode photos into a file of vectors. Without --skip-bad one bad photo means that nothing is written."""
    from deciface.formats.encodings import SUFFIXES, write_encodings
    from deciface.models import ModelStore
    from deciface.photos import find_photos
    from deciface.workflows.encoding import Arithmetic, encode_photos

    if output.suffix.lower() not in SUFFIXES:
        raise OptionError(f"'{output.name}': encodings are kept in {', '.join(SUFFIXES)}; name the file so")
    paths = find_photos(photos)
    with progress("encoding photos", len(paths)) as advance:
        done = encode_photos(
            paths,
            store=ModelStore(),
            ensemble=encoder,
            face_number=face,
            advance=advance,
            arithmetic=Arithmetic(device, precision),
            say=note,
        )
    for problem in done.problems:
        note(f"problem: {problem.message}")
    written = bool(done.photos) and (skip_bad or not done.problems)
    if written:
        write_encodings(done.encodings, output)
    text = f"{len(done.photos)} of {len(paths)} photos encoded"
    text += f" into {output}" if written else "; nothing written (see --skip-bad)"
    emit(
        {
            "output": str(output) if written else None,
            "photos": len(done.photos),
            "encodings": len(done.encodings) if written else 0,
            "views": [str(v) for v in dict.fromkeys(e.view for e in done.encodings)],
            "problems": [{"photo": p.photo, "message": p.message} for p in done.problems],
        },
        text,
        json=json,
    )
    if not written:
        raise typer.Exit(2 if any(p.exit_code == 2 for p in done.problems) else 3)
