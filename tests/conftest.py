"""Fixtures shared by all rooms: reference data and model files, skipped with a reason when absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The reference data beside the checkout (README there); never part of the repository."""
    root = Path(os.environ.get("DECIFACE_TEST_DATA", CHECKOUT.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"reference data absent: {root} (set DECIFACE_TEST_DATA)")
    return root


@pytest.fixture(scope="session")
def model_store():
    """The store with the model files of `deciface models fetch`."""
    from deciface.errors import ModelError
    from deciface.models import ModelStore

    store = ModelStore()
    try:
        for model in ("mediapipe-face-short", "mediapipe-face-full", "mediapipe-mesh", "mediapipe-iris", "dlib-resnet"):
            store.path(model)
    except ModelError as error:
        pytest.skip(str(error))
    return store


@pytest.fixture(scope="session")
def finder(model_store):
    """The face finder of those files."""
    from deciface.faces import FaceFinder

    return FaceFinder.from_store(model_store)


@pytest.fixture(scope="session")
def people(shared_data):
    """The people of the London set."""
    from deciface.benchmarks.reference import london

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DECIFACE_TEST_DATA", str(shared_data))
        return london()
