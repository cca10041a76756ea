"""The folder of a training run: begun whole, gone on with after an interruption, finished whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deciface.errors import MismatchError, ModelError, OptionError, StorageError
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


def need_run_folder(path: Path, *, resume: bool) -> None:
    """Refuse a folder that no run can be in, and make nothing: to be asked before the photos are looked at.

    Raises
    ------
    OptionError
        It is a file, holds something and `resume` is not wished, or holds something else than a run.
    StorageError
        It is not there and cannot be made.
    """
    if path.exists() and not path.is_dir():
        raise OptionError(f"'{path}' is a file; name a new folder for the run")
    there = path.is_dir() and any(path.iterdir())
    if there and not (path / RUN_FILE).is_file():
        raise OptionError(f"'{path}' holds other files; name a new folder for the run")
    if there and not resume:
        raise OptionError(f"'{path}' holds a run already; go on with it by --resume, or name a new folder")
    nearest = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise StorageError(f"'{path}' cannot be made ('{nearest}' takes no files); check the parent folder")


def open_run(path: Path, *, resume: bool) -> RunFolder:
    """Make the folder of a run, or go on in one; errors as `need_run_folder`."""
    need_run_folder(path, resume=resume)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"'{path}' cannot be made ({error.strerror or error}); check the parent folder") from error
    return RunFolder(path)


def earlier_run(folder: Path, *, recipe: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Manifest of the run that is gone on with; empty where there is none.

    Raises
    ------
    MismatchError
        It was another run, or its manifest cannot be read.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        return {}
    try:
        held = dict(json.loads(path.read_text(encoding="utf-8")))
        name, said, _ = held["recipe"], dict(held["settings"]), dict(held["data"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MismatchError(f"'{path}' cannot be read as the manifest of a run; name a new folder") from error
    own = json.loads(json.dumps(dict(settings)))
    changed = [key for key in own if said.get(key) != own[key]] if name == recipe else ["recipe"]
    if changed:
        raise MismatchError(f"'{folder}' is a run with another {changed[0]}; give the same, or name a new folder")
    return held


def need_same_cohort(earlier: Mapping[str, Any], folder: Path, *, digest: str) -> None:
    """Refuse to go on with a run on other people.

    Parameters
    ----------
    earlier
        Its manifest; empty where there is none.
    digest
        Of the cohort that is given (`deciface.workflows.training_photos.CohortPhotos`).

    Raises
    ------
    MismatchError
        Photos or labels differ.
    """
    if earlier and earlier["data"].get("cohort_digest") != digest:
        raise MismatchError(
            f"'{folder}' is a run with other photos or labels; give the same ones, or name a new folder"
        )


def need_written(path: Path, *, sha256: str) -> bool:
    """Whether the model of a run that has ended is there.

    Raises
    ------
    ModelError
        It is there, and is another file than the run wrote.
    """
    if not path.is_file():
        return False
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise ModelError(f"'{path}' is not the file that the run wrote (sha256 differs); train again in a new folder")
    return True
