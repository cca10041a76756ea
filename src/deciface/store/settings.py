"""``deciface.toml`` of a workspace: which one it is, its site, and where its database and photos are."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from deciface.errors import StorageError
from deciface.whole_files import write_whole

FILE = "deciface.toml"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a workspace's folder says about itself.

    Parameters
    ----------
    workspace
        Random id; the database has the same.
    site
        Name of the site; users belong to it unless they are given another.
    database
        ``postgresql://user@host/database``; None: ``deciface.sqlite`` in the folder.
    blobs
        Where photos are kept, ``s3://bucket/photos``; None: ``photos`` in the folder.
    """

    workspace: str = ""
    site: str = ""
    database: str | None = None
    blobs: str | None = None


def read_settings(path: Path) -> Settings:
    """Read the file; all defaults where there is none.

    Raises
    ------
    StorageError
        Not TOML, or a setting that is not known.
    """
    known = [field.name for field in fields(Settings)]
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}); check your rights") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StorageError(f"{path} is not valid TOML ({error}); correct it") from error
    for name, value in found.items():
        if name not in known or not isinstance(value, str):
            raise StorageError(f"{path} sets {name} = {value!r}; it may set {', '.join(known)}, each as text in quotes")
    return Settings(**found)


def write_settings(path: Path, settings: Settings) -> None:
    """Write the file, whole or not at all, for the owner's eyes: the address may hold a password."""
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in asdict(settings).items() if value]
    write_whole(path, "\n".join(["# A DeciFace workspace.", *lines, ""]).encode())
