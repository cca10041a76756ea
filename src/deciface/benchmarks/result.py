"""What a benchmark prints: one row a figure, each beside its target and its peer."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure.

    Parameters
    ----------
    name, value, unit
        What was measured.
    target
        The promise in words, e.g. ``"<= 8"``, or None where none was made.
    holds
        Whether the promise was kept; None without a promise.
    peer, peer_value, ratio
        What it is compared with, measured in the same run, and value / peer_value.
    """

    name: str
    value: float
    unit: str
    target: str | None = None
    holds: bool | None = None
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """All rows of one benchmark and the machine they were measured on."""

    bench: str
    machine: str
    rows: tuple[Row, ...]

    def as_document(self) -> dict[str, Any]:
        """Return the JSON document of ``deciface bench NAME --json``."""
        return {"bench": self.bench, "machine": self.machine, "rows": [asdict(row) for row in self.rows]}


def machine() -> str:
    """Describe this machine: processor, cores, Python."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
