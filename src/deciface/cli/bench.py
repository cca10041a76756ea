"""`deciface bench NAME`: figures anyone can measure again."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from deciface.cli.output import emit
from deciface.errors import OptionError

BENCHES = {
    "faces": "faces found, error of the mesh, occlusion, milliseconds a photo; needs the London photos",
    "search": "milliseconds of one exact query beside numpy; needs nothing",
    "encode": "photos a second beside dlib and one at a time; the test of identity needs the London photos",
    "planted": "how often a planted disorder comes first; simulated faces, and the London photos where they are",
    "simulate": "seconds for a cohort of 500 photos; needs nothing (48 s on two cores)",
    "store": "seconds to import, open and list 10,000 cases; needs nothing",
    "evaluate": "seconds for the published protocol on 10,000 photos, beside pair by pair; needs nothing",
    "dysmorphic": "our own encoder on people it never saw; needs the London photos and, in DECIFACE_DYSMORPHIC_RUN, "
    "the folder of a run of deciface train dysmorphic",
    "landmarks": "our points and measurements on people never seen, beside the mesh and, where DECIFACE_DLIB68 names "
    "their file, dlib's 68 points; needs the London photos and, in DECIFACE_LANDMARKS_RUN, the folder of a run of "
    "deciface train landmarks",
    "explain": "do maps point at what was planted; simulated faces, and the London photos where they are",
}
"""What each measures and needs."""
_LONDON = (
    "The London photos are the Face Research Lab London Set (CC BY 4.0); DECIFACE_TEST_DATA names the folder that has "
    "faces/london. Those with faces need the model files, too (deciface models fetch)."
)


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
            line += f"; {row.peer}" + (f": {row.peer_value:.4g}" if row.peer_value is not None else "")
            line += f", ratio {row.ratio:.3g}" if row.ratio is not None else ""
        lines.append(line)
    emit(result.as_document(), "\n".join(lines), json=json)


bench.__doc__ = "\n\n".join(
    [
        "Measure speed and accuracy on this machine, beside a peer measured in the same run.",
        *(f"{name}: {what}." for name, what in BENCHES.items()),
        _LONDON,
        "Figures of one machine, with times: docs/benchmarks.md.",
    ]
)
