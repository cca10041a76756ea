"""Finding photos among files and folders."""

from __future__ import annotations

import pytest

from deciface.errors import NothingFoundError, PhotoError
from deciface.photos import find_photos
from tests.photos.samples import encoded, scene


@pytest.fixture
def folder(tmp_path):
    png = encoded(scene(), "PNG")
    for name in ("b.png", "a.JPG", "sub/c.webp", "sub/named-like-nothing", ".hidden.png", ".git/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png)
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "cut.jpg").write_bytes(b"")
    return tmp_path


def test_a_folder_is_searched_by_content_or_name_and_sorted(folder):
    found = [path.relative_to(folder).as_posix() for path in find_photos([folder])]
    assert found == ["a.JPG", "b.png", "cut.jpg", "sub/c.webp", "sub/named-like-nothing"]


def test_each_photo_comes_once(folder):
    assert find_photos([folder / "b.png", folder, folder / "sub" / ".." / "b.png"]).count(folder / "b.png") == 1
    assert len(find_photos([folder, folder / "sub"])) == 5


def test_a_named_file_is_taken_as_it_is(folder):
    assert find_photos([folder / "notes.txt", folder / ".hidden.png"]) == [folder / ".hidden.png", folder / "notes.txt"]


def test_a_missing_path_is_said(folder):
    with pytest.raises(PhotoError, match=r"'.*none' does not exist; check the path"):
        find_photos([folder, folder / "none"])


def test_nothing_found(tmp_path):
    (tmp_path / "notes.txt").write_text("no photo")
    with pytest.raises(NothingFoundError, match=r"no photo found in '.*'; a photo is a JPEG, PNG, WebP"):
        find_photos([tmp_path])
    with pytest.raises(NothingFoundError, match="no photo found in nothing"):
        find_photos([])


def test_links_to_folders_are_not_followed(folder):
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert len(find_photos([folder])) == 5
