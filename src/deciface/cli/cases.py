"""`deciface init`, `import` and `export`: a workspace, what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deciface.cli.output import emit, note, progress
from deciface.cli.photo import Device, InPrecision
from deciface.encoders.precision import Precision
from deciface.errors import NothingFoundError, NothingImportedError, OptionError

if TYPE_CHECKING:
    from deciface.cases import Consent
    from deciface.ontology import HpoTerms

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
WorkspaceFolder = Annotated[
    Path | None, typer.Option("--workspace", envvar="DECIFACE_WORKSPACE", help="The workspace folder.")
]


def workspace_folder(given: Path | None) -> Path:
    """The workspace that was named.

    Raises
    ------
    OptionError
        When none was.
    """
    if given is None:
        raise OptionError(
            "no workspace named: give --workspace DIR or set DECIFACE_WORKSPACE (deciface init DIR makes one)"
        )
    return given


def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    *,
    site: Annotated[str, typer.Option("--site", help="Name of the site that the workspace belongs to.")] = "",
    database: Annotated[
        str | None, typer.Option("--database", help="postgresql://user@host/name, an empty database; else SQLite.")
    ] = None,
    blobs: Annotated[
        str | None, typer.Option("--blobs", help="Where photos are kept, e.g. s3://bucket/photos; else the folder.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a workspace: one folder with a database and the photos, yours to use and nobody else's."""
    from deciface.store import Workspace

    with Workspace.create(folder, site=site, database=database, blobs=blobs) as made:
        roles = ", ".join(sorted(made.actor.roles))
    emit(
        {"workspace": str(folder), "user": made.actor.user, "roles": sorted(made.actor.roles)},
        f"workspace made: {folder}; user '{made.actor.user}' is {roles}",
        json=json,
    )


def consents_of(scopes: str, version: str) -> tuple[Consent, ...]:
    """Consents that the importing user vouches for, from ``care; reference gallery``.

    Raises
    ------
    OptionError
        A scope that is not known.
    """
    from deciface.cases import Consent, Scope
    from deciface.formats.case_values import read_scope

    made = []
    for text in filter(None, (part.strip() for part in scopes.split(";"))):
        found = read_scope(text)
        if found is None:
            allowed = ", ".join("sharing:SITE" if s is Scope.SHARING else s for s in Scope)
            raise OptionError(f"--consent '{text}': allowed are {allowed}, separated by ;")
        scope, site = found
        made.append(Consent(scope, site, text_version=version, evidence="vouched for at import"))
    return tuple(made)


def hpo_terms() -> HpoTerms | None:
    """The HPO of this machine, or None."""
    from deciface.ontology import OntologyFiles, default_folder

    try:
        return OntologyFiles(default_folder()).hpo()
    except NothingFoundError:
        return None


def import_cases(
    source: Annotated[Path, typer.Argument(help="A file or folder of cases; docs/cases.md has the template.")],
    *,
    workspace: WorkspaceFolder = None,
    format_: Annotated[str, typer.Option("--format", help="Name of the format; auto looks at the source.")] = "auto",
    encoder: Annotated[str, typer.Option("--encoder", help="Encoders joined by '+'.")] = "dlib-resnet",
    consent: Annotated[
        str, typer.Option("--consent", help="Consents you vouch for where the source states none: care; study; ...")
    ] = "",
    consent_version: Annotated[str, typer.Option("--consent-version", help="Version of that consent text.")] = "",
    update: Annotated[bool, typer.Option("--update", help="Change stored cases to what the source says.")] = False,
    cut_names: Annotated[
        bool, typer.Option("--cut-names", help="Encodings: the photo id ends at the first '_' (12_aligned.jpg).")
    ] = False,
    device: Device = "cpu",
    precision: InPrecision = Precision.FP32,
    json: Json = False,
) -> None:
    """Import people, photos and what is known of them; every face is encoded, problems are listed, good cases kept."""
    from deciface.models import ModelStore
    from deciface.store import Workspace
    from deciface.workflows.encoding import Arithmetic
    from deciface.workflows.exchange_formats import AUTO, ENCODINGS, importer_for, is_encodings, table_within
    from deciface.workflows.importing import import_cases as run
    from deciface.workflows.importing_encodings import import_encodings

    folder = workspace_folder(workspace)
    source = table_within(source)
    if format_ == ENCODINGS or (format_ == AUTO and is_encodings(source)):
        with Workspace.open(folder) as opened:
            vectors = import_encodings(source, opened, cut_names=cut_names)
        for photo in vectors.unknown_photos[:10]:
            note(f"problem: '{photo}' is no photo of the workspace; its vectors were left out")
        emit(
            {
                "workspace": str(folder),
                "format": ENCODINGS,
                "encodings": vectors.encodings,
                "unknown_photos": list(vectors.unknown_photos),
            },
            f"{vectors.encodings} vectors added; {len(vectors.unknown_photos)} photos of the file are not here",
            json=json,
        )
        return
    vouched = consents_of(consent, consent_version)
    importer = importer_for(source, format_)
    with Workspace.open(folder) as opened:
        read = importer.read(source)
        terms = hpo_terms()
        if terms is None and any(where == "hpo" for _, case in read.cases for where, _ in case.as_written):
            note(
                "features written by name are kept as written: deciface ontology update --from DIR finds them next time"
            )
        with progress("importing", sum(max(1, len(case.photos)) for _, case in read.cases)) as advance:
            try:
                done = run(
                    read,
                    opened,
                    name=source.name,
                    store=ModelStore(),
                    origin=importer.name,
                    ensemble=encoder,
                    vouched=vouched,
                    terms=terms,
                    update=update,
                    advance=advance,
                    arithmetic=Arithmetic(device, precision),
                    say=note,
                )
            except NothingImportedError as error:
                for problem in error.problems:
                    note(f"problem: {problem}")
                raise
    for problem in done.problems:
        note(f"problem: {problem}")
    for said in done.notes:
        note(f"look at: {said}")
    emit(
        {
            "workspace": str(folder),
            "format": importer.name,
            "cases": done.cases,
            "cases_there": done.cases_there,
            "changed": done.changed,
            "photos": done.photos,
            "already_there": done.already_there,
            "patients": done.patients,
            "encodings": done.encodings,
            "notes": list(done.notes),
            "problems": list(done.problems),
        },
        f"{done.cases} of {done.patients} people imported ({done.cases_there} were there before, {done.changed} "
        f"changed), {done.photos} photos ({done.already_there} were there), {done.encodings} vectors added, "
        f"{len(done.problems)} problems",
        json=json,
    )


def export_cases(
    target: Annotated[Path, typer.Argument(help="A new file, or a new folder with --photos.")],
    *,
    workspace: WorkspaceFolder = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="csv, xlsx, phenopackets, gmdb, dicom or encodings; else by suffix.")
    ] = None,
    patient: Annotated[list[str] | None, typer.Option("--patient", help="Only this patient; repeat it.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="The site it goes to; needs consent to share with it.")] = None,
    photos: Annotated[
        bool, typer.Option("--photos", help="Write the photos too, into a new folder (dicom always holds them).")
    ] = False,
    template: Annotated[bool, typer.Option("--template", help="Write an empty .xlsx case table to fill in.")] = False,
    json: Json = False,
) -> None:
    """Export cases as far as your roles and each patient's consent allow. Pseudonymised; every export is logged."""
    if template:
        from deciface.formats.cases_xlsx import write_template

        if target.suffix.casefold() != ".xlsx":
            raise OptionError(f"'{target.name}': the template is a workbook; name it .xlsx")
        write_template(target)
        emit({"files": [str(target)]}, f"template: {target}", json=json)
        return
    from deciface.store import Workspace
    from deciface.workflows.exchange_formats import format_of_target
    from deciface.workflows.exporting import export_cases as run

    name = format_of_target(target, format_, with_photos=photos)
    with Workspace.open(workspace_folder(workspace)) as opened:
        done = run(opened, target, format_name=name, patients=patient, to_site=to, with_photos=photos)
    for line in _joined(done.left_out):
        note(f"left out: {line}")
    for line in done.losses:
        if "sha256" in line:
            continue  # of pixels: made again from the photo itself
        note(f"not in this format: {line}")
    emit(
        {
            "files": [str(file) for file in done.files],
            "cases": done.cases,
            "photos": done.photos,
            "encodings": done.encodings,
            "left_out": list(done.left_out),
            "losses": list(done.losses),
            "label": "pseudonymised",
        },
        f"{done.cases} cases, {done.photos} photos, {done.encodings} vectors written to {target} (pseudonymised); "
        f"{len(done.left_out)} left out",
        json=json,
    )


def _joined(left_out: Sequence[str]) -> Iterator[str]:
    """One line for all patients who were left out for one reason."""
    whom: dict[str, list[str]] = {}
    for line in left_out:
        who, _, reason = line.partition(": ")
        whom.setdefault(reason, []).append(who)
    for reason, people in whom.items():
        yield f"{people[0]}{f' and {len(people) - 1} more' if people[1:] else ''}: {reason}"
    if left_out:
        yield "a consent is recorded by: deciface store consent PATIENT SCOPES"
