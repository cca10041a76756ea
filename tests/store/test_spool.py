"""Encodings that are laid aside come out as they went in, and leave no file."""

import resource
from dataclasses import replace

import numpy as np
import pytest

from deciface.cases import Encoding, View
from deciface.errors import InputError, StorageError
from deciface.store.spool import laid_aside


def encoding(k, length=1024):
    vector = np.random.default_rng(k).normal(size=length).astype(np.float32)
    return Encoding(f"photo\n{k}", "阿" * 20, 'c"1', "e" * 64, View("m", "nose", flip=True, grey=bool(k % 2)), vector)


@pytest.mark.parametrize("count", [0, 1, 600])
def test_what_goes_in_comes_out_and_leaves_no_file(tmp_path, count):
    made = [encoding(k, 1 + 1024 * (k % 2)) for k in range(count)]
    with laid_aside(iter(made), tmp_path / "cache") as read:
        found = list(read)
        assert list((tmp_path / "cache").iterdir()) == []
    assert [replace(e, vector=None) for e in found] == [replace(e, vector=None) for e in made]
    assert [e.vector.tolist() for e in found] == [e.vector.tolist() for e in made]


def test_a_vector_that_cannot_be_stored_is_told_before_anything_waits(tmp_path):
    bad = replace(encoding(0), vector=np.array([1, np.nan], np.float32))
    with pytest.raises(InputError, match=r"shape \(2,\) with 1 NaN"), laid_aside([bad], tmp_path):
        raise AssertionError("the block ran")


def test_a_full_disk_is_one_line(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
    try:
        with (
            pytest.raises(StorageError, match=r": File too large; free some space or check the folder$"),
            laid_aside((encoding(k) for k in range(600)), tmp_path),
        ):
            raise AssertionError("the block ran")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
