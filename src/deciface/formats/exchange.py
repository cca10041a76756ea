"""What every importer yields and every exporter takes: cases, the files of their photos, and problems with their place.

An importer never stops at the first bad row and never drops one silently. An exporter says what its format cannot hold.
Importers of other packages are entry points of the group ``deciface.importers``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deciface.cases import Case
from deciface.formats.text import Problem

PhotoFile = Path | Callable[[], bytes]
"""Where a photo's image is: a file, or a function that takes it out of a container (DICOM)."""


@dataclass(frozen=True)
class ReadCases:
    """What a source holds.

    Parameters
    ----------
    cases
        One per patient, each with the number of the row, line or record in which the patient was first named (from 1).
    problems
        Everything that could not be taken as it stands. What was left out altogether says "dropped".
    photo_files
        By photo id. A photo without one is described (or encoded) only.
    """

    cases: tuple[tuple[int, Case], ...]
    problems: tuple[Problem, ...]
    photo_files: Mapping[str, PhotoFile] = field(default_factory=dict)


class Importer(Protocol):
    """Reads one format. Plug-ins must pass the conformance suite of `deciface.testing`."""

    name: str

    def sniff(self, path: Path) -> bool:
        """Whether this looks like the format; looks at names and the first kilobytes only, never raises."""
        ...

    def read(self, path: Path) -> ReadCases:
        """Read a file or folder.

        Raises
        ------
        InputError
            When it cannot be read at all: one line that says what was given, what is allowed and what to do.
        """
        ...


@dataclass(frozen=True)
class Written:
    """What an export wrote, whole or not at all, and what the format could not hold, one line each."""

    files: tuple[Path, ...]
    losses: tuple[str, ...]


class Exporter(Protocol):
    """Writes one format."""

    name: str

    def paths(self, target: Path) -> tuple[Path, ...]:
        """Everything that `write` makes for a target, sidecars too: files, or a folder with all that is in it."""
        ...

    def write(self, cases: Sequence[Case], target: Path) -> Written:
        """Write cases to a file or a new folder.

        Raises
        ------
        StorageError
            When the disk is full or the target exists already.
        """
        ...
