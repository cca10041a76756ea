"""A workspace's folder: made whole or not at all, and opened."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import os
import secrets
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, inspect

from deciface.errors import InputError, StorageError
from deciface.store import audit, engines, tables, users
from deciface.store.photo_files import flush_folder, open_files
from deciface.store.settings import FILE, Settings, read_settings, write_settings
from deciface.store.tombstones import workspace_id
from deciface.store.versions import count_up, stamp

DATABASE = "deciface.sqlite"
PHOTOS = "photos"
CACHE = "cache"
IMPORTS = "import-"
"""Begin of the cache folders in which an import keeps images out of containers; `clear_imports` knows them."""
_DRAFT = ".deciface."
_LEFT_AFTER_S = 24 * 3600


def system_user() -> str:
    """Name of the user in the operating system.

    Raises
    ------
    InputError
        It does not say.
    """
    try:
        if sys.platform != "win32":  # not from the environment, where everybody can write another name
            import pwd

            return pwd.getpwuid(os.getuid()).pw_name
        return getpass.getuser()
    except (KeyError, ImportError, OSError) as error:
        raise InputError("this system does not say who you are; name the user") from error


def create_folder(root: Path, settings: Settings, *, user: str, now: dt.datetime) -> None:
    """Make a workspace in an empty or new folder.

    Parameters
    ----------
    root
        The folder.
    settings
        Its site, and where database and photos are; the id is made here.
    user
        Gets every role but that of a reader.
    now
        Stands in the audit trail.

    Raises
    ------
    StorageError
        There is a workspace already, the folder or database holds other things, or it cannot be written.
    """
    if (root / DATABASE).exists() or read_settings(root / FILE).database:
        raise StorageError(f"{root} is a workspace already; open it or choose another folder")
    open_files(root / PHOTOS, settings.blobs)
    is_new = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        own = {PHOTOS, FILE}
        if others := sorted(p.name for p in root.iterdir() if p.name not in own and not _is_draft(p.name)):
            raise StorageError(f"{root} holds other files ({others[0]}); choose an empty or new folder")
        root.chmod(0o700)  # photos of patients: nobody else on this machine reads them
        (root / PHOTOS).mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{root} cannot be made a workspace ({error.strerror}); choose a folder you may write to"
        ) from error
    settings = replace(settings, workspace=secrets.token_hex(16))
    make = _create_sqlite if settings.database is None else _create_postgres
    try:
        make(root, settings, user=user, now=now)
    except BaseException:
        if is_new and not (root / FILE).exists():
            shutil.rmtree(root, ignore_errors=True)
        raise
    for left in root.iterdir():
        if _is_draft(left.name):
            left.unlink(missing_ok=True)


def _is_draft(name: str) -> bool:
    """Whether an interrupted creation may have left it: a draft, a journal, half a ``..deciface.toml.x``."""
    return name.startswith((_DRAFT, f".{_DRAFT}"))


def _create_sqlite(root: Path, settings: Settings, *, user: str, now: dt.datetime) -> None:
    """Build the database under another name and rename it last: from then on this is a workspace."""
    draft = root / f"{_DRAFT}sqlite"
    draft.unlink(missing_ok=True)
    engine = engines.sqlite_engine(draft, journal="DELETE")
    with engines.told(str(root)):
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _fill(connection, settings, user=user, now=now)
        engine.dispose()
        write_settings(root / FILE, settings)
        draft.replace(root / DATABASE)
        flush_folder(root)


def _create_postgres(root: Path, settings: Settings, *, user: str, now: dt.datetime) -> None:
    """Note the id in the folder, fill the database, rename the note: an interrupted creation is taken up again."""
    draft = root / f"{_DRAFT}toml"
    begun = read_settings(draft)
    if begun.database == settings.database:
        settings = replace(settings, workspace=begun.workspace)
    write_settings(draft, settings)
    engine = engines.postgres_engine(settings.database or "")
    try:
        with engines.told(str(root)), engine.begin() as connection:
            if engines.revision(connection) is None:
                if others := inspect(connection).get_table_names():
                    raise StorageError(
                        f"{engine.url.database} holds other tables ({min(others)}); give an empty database"
                    )
                _fill(connection, settings, user=user, now=now)
            elif workspace_id(connection) != settings.workspace:
                raise StorageError(
                    f"database '{engine.url.database}' belongs to a workspace already; open that one or give an "
                    "empty database"
                )
    except StorageError:
        draft.unlink(missing_ok=True)
        raise
    finally:
        engine.dispose()
    draft.replace(root / FILE)
    flush_folder(root)


def _fill(connection: Connection, settings: Settings, *, user: str, now: dt.datetime) -> None:
    engines.migrate_within(connection)
    at = stamp(now)
    connection.execute(insert(tables.meta).values(key="workspace", value=settings.workspace))
    count_up(connection)
    users.write_user(connection, user, users.CREATOR_ROLES, site=settings.site, at=at)
    audit.append(connection, at=at, actor=user, action="create workspace", record="")


def clear_imports(cache: Path, *, now: dt.datetime) -> None:
    """Remove photos that imports took out of a container and, killed, left; those of a running one are younger."""
    for folder in cache.glob(f"{IMPORTS}*"):
        with contextlib.suppress(OSError):  # another process clears it too
            if now.timestamp() - folder.stat().st_mtime > _LEFT_AFTER_S:
                shutil.rmtree(folder)


def connect(root: Path) -> tuple[Settings, Engine]:
    """Open the database of a workspace; one of an older revision is brought to the newest.

    Raises
    ------
    StorageError
        Not a workspace, a damaged one, one of a newer DeciFace, or the database of another workspace.
    """
    settings = read_settings(root / FILE)
    path = root / DATABASE
    if settings.database is None and not path.is_file():
        raise StorageError(f"{root} is not a workspace (no {DATABASE}); make one with: deciface init {root}")
    engine = engines.postgres_engine(settings.database) if settings.database else engines.sqlite_engine(path)
    place = str(root) if settings.database else str(path)
    try:
        with engines.told(place):
            with engine.connect() as connection:
                found = engines.revision(connection)
                foreign = found is None and not inspect(connection).has_table("meta")
            if found != engines.HEAD:
                _upgrade(root, engine, found=found, foreign=foreign)
            with engine.connect() as connection:
                owner = workspace_id(connection)
        if settings.workspace and owner != settings.workspace:
            raise StorageError(
                f"{root / FILE} belongs to workspace {settings.workspace[:8]}, its database to {owner[:8]}; "
                "put back the database or the file that belongs here"
            )
    except BaseException:
        engine.dispose()
        raise
    return settings, engine


def _upgrade(root: Path, engine: Engine, *, found: str | None, foreign: bool) -> None:
    if foreign:
        raise StorageError(f"the database of {root} is not a DeciFace database; choose another folder")
    if found is None:
        raise StorageError(
            f"{root} was made before there were schema versions, with other tables; "
            "make a new workspace and import the case table again"
        )
    if found not in engines.known_revisions():
        raise StorageError(
            f"{root} has schema version {found}, this program reads {engines.HEAD}; "
            "use the version of DeciFace that made it, or a newer one"
        )
    if engines.is_readonly(engine):
        raise StorageError(
            f"{root} has schema version {found}, which this program brings to {engines.HEAD}, and may not be written "
            "to; open it once with the right to write"
        )
    engines.migrate(engine)
