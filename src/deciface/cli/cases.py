"""`deciface init`, `import` and `export`: a workspace, what goes in and what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deciface.cli.output import emit, note, progress
from deciface.errors import NothingFoundError, OptionError

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
            allowed = ", ".join(f"{s}:SITE" if s is Scope.SHARING else s for s in Scope)
            raise OptionError(f"--consent '{text}': allowed are {allowed}, separated by ;")
        scope, site = found
        made.append(Consent(scope, site, text_version=version, evidence="vouched for at import"))
    return tuple(made)


def hpo_terms() -> HpoTerms | None:
    """The HPO of this machine, or None with a word on how to get it."""
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
    json: Json = False,
) -> None:
    """Import people, photos and what is known of them; every face is encoded, problems are listed, good cases kept."""
    from deciface.models import ModelStore
    from deciface.store import Workspace
    from deciface.workflows.exchange_formats import ENCODINGS, importer_for
    from deciface.workflows.importing import import_cases as run
    from deciface.workflows.importing import import_encodings

    folder = workspace_folder(workspace)
    if format_ == ENCODINGS:
        with Workspace.open(folder) as opened:
            count = import_encodings(source, opened, cut_names=cut_names)
        emit({"workspace": str(folder), "encodings": count}, f"{count} vectors added", json=json)
        return
    attested = consents_of(consent, consent_version)
    importer = importer_for(source, format_)
    with Workspace.open(folder) as opened:
        read = importer.read(source)
        with progress("importing", sum(max(1, len(case.photos)) for _, case in read.cases)) as advance:
            done = run(
                read,
                opened,
                name=source.name,
                store=ModelStore(),
                origin=importer.name,
                ensemble=encoder,
                attested=attested,
                terms=hpo_terms(),
                update=update,
                advance=advance,
            )
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
        str, typer.Option("--format", help="csv, xlsx, phenopackets, gmdb, dicom or encodings.")
    ] = "csv",
    patient: Annotated[list[str] | None, typer.Option("--patient", help="Only this patient; repeat it.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="The site it goes to; needs consent to share with it.")] = None,
    photos: Annotated[bool, typer.Option("--photos", help="Write the photos too, into a new folder.")] = False,
    template: Annotated[bool, typer.Option("--template", help="Write an empty .xlsx case table to fill in.")] = False,
    json: Json = False,
) -> None:
    """Export cases as far as your roles and each patient's consent allow. Pseudonymised; every export is logged."""
    if template:
        from deciface.formats.cases_xlsx import write_template

        write_template(target)
        emit({"files": [str(target)]}, f"template: {target}", json=json)
        return
    from deciface.store import Workspace
    from deciface.workflows.exporting import export_cases as run

    with Workspace.open(workspace_folder(workspace)) as opened:
        done = run(opened, target, format_name=format_, patients=patient, to_site=to, with_photos=photos)
    for line in done.left_out:
        note(f"left out: {line}")
    for line in done.losses:
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
