"""`deciface bench NAME`: figures anyone can measure again."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from deciface.cli.output import emit
from deciface.errors import OptionError

BENCHES = ("faces", "search", "encode", "planted", "simulate", "store", "evaluate", "dysmorphic", "explain")


def bench(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(BENCHES)}.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure speed and accuracy on this machine, beside a peer measured in the same run."""
    if name not in BENCHES:
        raise OptionError(f"bench '{name}' is not known; allowed are {', '.join(BENCHES)}")
    result = import_module(f"deciface.benchmarks.{name}").run()
    lines = [f"{result.bench} on {result.machine}"]
    for row in result.rows:
        line = f"{row.name}: {row.value:.4g} {row.unit}"
        if row.target:
            line += f" (target {row.target}: {'holds' if row.holds else 'MISSED'})"
        if row.peer:
            line += f"; {row.peer}: {row.peer_value:.4g}, ratio {row.ratio:.3g}" if row.peer_value else f"; {row.peer}"
        lines.append(line)
    emit(result.as_document(), "\n".join(lines), json=json)
