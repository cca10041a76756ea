"""A folder appears whole or not at all."""

import os
import stat

import pytest

from deciface.errors import StorageError
from deciface.formats.whole_folder import refuse_existing, whole_folder


def test_the_folder_appears_when_the_block_has_ended(tmp_path):
    with whole_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("a")
        assert not (tmp_path / "out").exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_nothing_is_left_when_the_block_fails(tmp_path, error):
    def fail():
        with whole_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("a")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line(tmp_path):
    with pytest.raises(StorageError) as caught, whole_folder(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert str(caught.value) == (
        f"'{tmp_path / 'out'}' cannot be written (No space left on device); "
        "check the folder, your rights and free space"
    )
    assert not list(tmp_path.iterdir())


def test_what_exists_is_refused_dangling_links_too(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="exists already and is not written over"):
        refuse_existing(tmp_path / "new", tmp_path / "link")
