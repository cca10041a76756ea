"""Imports that are killed, and imports that run at the same time."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deciface.store import Workspace, audit, engines
from tests.store.importing import PHOTOS, everything, is_workspace, photo


def run_import(root, database, *part):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.importing", str(root), database or "", *map(str, part)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def assert_whole(workspace):
    """Whole photos in their order, each with all its encodings or none, and a trail that fits together."""
    stored = workspace.photos()
    assert list(stored) == [photo(i) for i in range(len(stored))]
    assert all(workspace.image_bytes(p.id) for p in stored)
    assert len(list(workspace.encodings())) in (2 * len(stored), 2 * len(stored) - 2)
    with engines.read(workspace.engine) as connection:
        check = audit.check_chain(connection)
    assert check.whole
    assert check.entries in (1 + 2 * len(stored), 2 * len(stored))
    return len(stored)


def kill_at_random_points(folder, new_database, *, points):
    rng = random.Random(5)
    seen = set()
    for point in range(points):
        root, database = folder / f"ws{point}", new_database()
        with run_import(root, database) as process:
            assert process.stdout.readline() == b"ready\n", process.stderr.read()
            for i in range(point * PHOTOS // points):  # how far it gets is told, not guessed from the time
                assert process.stdout.readline() == f"{i}\n".encode(), process.stderr.read()
            time.sleep(rng.uniform(0, 0.02))
            os.kill(process.pid, signal.SIGKILL)
            process.stdout.read()
        if is_workspace(root, database):
            with Workspace.open(root) as workspace:
                seen.add(assert_whole(workspace))
        everything(root, database)
        with Workspace.open(root) as workspace:
            assert assert_whole(workspace) == PHOTOS
            assert len(workspace.gallery()) == PHOTOS
        assert [p for p in root.rglob(".part-*") if p.is_file()] == []
    assert len(seen) >= min(points, PHOTOS) // 2, f"the kills hit {len(seen)} points alone"


def test_killed_imports_leave_a_workspace_that_opens_and_can_be_imported_again(tmp_path, new_database):
    kill_at_random_points(tmp_path, new_database, points=8)


@pytest.mark.slow
def test_imports_killed_at_fifty_points(tmp_path, new_database):
    kill_at_random_points(tmp_path, new_database, points=50)


def test_two_imports_at_once_lose_nothing(tmp_path, database):
    Workspace.create(tmp_path / "ws", database=database).close()
    both = [run_import(tmp_path / "ws", database, part, 2) for part in (0, 1)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert len(out.splitlines()) == 1 + PHOTOS // 2
    with Workspace.open(tmp_path / "ws") as workspace:
        assert assert_whole(workspace) == PHOTOS
        assert len(workspace.gallery()) == PHOTOS
