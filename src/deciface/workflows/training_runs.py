"""The folder of a training run: begun whole, gone on with after an interruption, finished whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deciface.errors import OptionError, StorageError
from deciface.training.manifest import RUN_FILE
from deciface.whole_files import write_whole


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run's files are; made by `open_run`."""

    path: Path

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file, whole or not at all."""
        target = self.path / name
        write_whole(target, content.encode() if isinstance(content, str) else content)
        return target

    def write_manifest(self, document: Mapping[str, Any]) -> None:
        """Write what the run is."""
        self.write(RUN_FILE, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def open_run(path: Path, *, resume: bool) -> RunFolder:
    """Make the folder of a run, or go on in one.

    Raises
    ------
    OptionError
        The folder holds something and `resume` is not wished, or holds something else than a run.
    StorageError
        It cannot be made.
    """
    there = path.is_dir() and any(path.iterdir())
    if path.exists() and not path.is_dir():
        raise OptionError(f"'{path}' is a file; name a new folder for the run")
    if there and not (path / RUN_FILE).is_file():
        raise OptionError(f"'{path}' holds other files; name a new folder for the run")
    if there and not resume:
        raise OptionError(f"'{path}' holds a run already; go on with it by --resume, or name a new folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"'{path}' cannot be made ({error.strerror or error}); check the parent folder") from error
    return RunFolder(path)
