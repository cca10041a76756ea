"""How commands speak: one JSON document or text on stdout, progress and notes on stderr."""

from __future__ import annotations

import contextlib
import json as json_module
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def emit(document: Mapping[str, Any], text: str, *, json: bool) -> None:
    """Print the document as JSON, or the text; nothing else ever goes to stdout.

    Floats that are not numbers are refused rather than printed as invalid JSON.
    """
    if json:
        sys.stdout.write(json_module.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    elif text:
        typer.echo(text)


def note(text: str) -> None:
    """Say something to the person at the keyboard, on stderr."""
    typer.echo(text, err=True)


@contextlib.contextmanager
def progress(description: str, total: int) -> Iterator[Callable[..., None]]:
    """Show a progress bar on stderr; yields ``advance(n=1, total=None)``. Silent when stderr is not a terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(description, total=total)

        def advance(n: int = 1, *, total: int | None = None) -> None:
            if total is not None:
                bar.update(task, total=total)
            bar.advance(task, n)

        yield advance
