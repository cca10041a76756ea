"""The shipped appearance model, loaded once."""

from __future__ import annotations

import pytest

from deciface.simulate import AppearanceModel


@pytest.fixture(scope="session")
def model() -> AppearanceModel:
    return AppearanceModel.shipped()
