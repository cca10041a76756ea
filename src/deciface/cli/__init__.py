"""The `deciface` command. Thin: it reads options, calls a workflow, prints the answer.

Exit codes: 0 good; 2 bad input, in one clear line; 3 nothing found; 130 interrupted.
"""

from __future__ import annotations

import errno
import sys
from typing import Annotated, Any

import typer

from deciface import RESEARCH_USE_ONLY, __version__
from deciface.cli import (
    average,
    bench,
    cases,
    cohorts,
    diagnose,
    gallery,
    models,
    norms,
    ontology,
    photo,
    points,
    simulate,
    store,
    store_models,
    train,
)
from deciface.cli.classify import classify
from deciface.cli.demo import demo
from deciface.cli.doctor import doctor
from deciface.cli.explain import explain
from deciface.errors import DeciFaceError

# Typer brings its own click in some versions; the root of its usage errors is reached through a class it exports.
_USAGE_ERROR: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

_INTERRUPTED = 130

app = typer.Typer(
    help=f"DeciFace: from a facial photo to a ranked differential of rare disorders. {RESEARCH_USE_ONLY}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(*, value: bool) -> None:
    if value:
        typer.echo(f"deciface {__version__}\n{RESEARCH_USE_ONLY}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=lambda value: _version(value=value), is_eager=True)
    ] = False,
) -> None:
    pass


app.command("demo")(demo)
app.command("doctor")(doctor)
app.command("init")(cases.init)
app.command("import")(cases.import_cases)
app.command("export")(cases.export_cases)
app.command("withdraw")(store.withdraw)
app.command("encode")(photo.encode)
app.command("diagnose")(diagnose.diagnose)
app.command("classify")(classify)
app.command("explain")(explain)
app.command("bench")(bench.bench)
photo.app.add_typer(points.app, name="points")
app.add_typer(photo.app, name="photo")
cohorts.add_to(gallery.app)
gallery.app.command("norms")(norms.norms)
gallery.app.command("average")(average.average)
app.add_typer(gallery.app, name="gallery")
app.add_typer(models.app, name="models")
app.add_typer(ontology.app, name="ontology")
store_models.add_to(store.app)
app.add_typer(store.app, name="store")
app.add_typer(simulate.app, name="simulate")
app.add_typer(train.app, name="train")


def main() -> None:
    """Run the command line; every deliberate error becomes one line on stderr and its exit code."""
    try:
        code = app(standalone_mode=False)
    except DeciFaceError as error:
        _say(str(error))
        code = error.exit_code
    except _USAGE_ERROR as error:
        if error.format_message():
            _say(error.format_message())
        code = 2
    except (typer.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except BrokenPipeError:
        code = 0
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT}:
            raise
        _say(f"{error.filename or 'a file'} cannot be written ({error.strerror}): free space or choose another folder")
        code = 2
    if code == _INTERRUPTED:
        _say("interrupted; what was finished is kept, nothing half-written is left behind")
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str) -> None:
    typer.echo("deciface: " + " ".join(message.split()), err=True)


if __name__ == "__main__":
    main()
