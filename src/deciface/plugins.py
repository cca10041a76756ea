"""Plug-ins of other packages, by entry-point group."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from deciface.errors import ModelError


@cache
def plugins(group: str) -> dict[str, Callable[[], Any]]:
    """What installed packages offer in a group, by name; called without arguments each gives a plug-in.

    Raises
    ------
    ModelError
        When a plug-in cannot be imported, or two packages use one name.
    """
    found: dict[str, Callable[[], Any]] = {}
    for point in entry_points(group=group):
        if point.name in found:
            raise ModelError(f"two packages offer '{point.name}' in '{group}'; uninstall one of them")
        try:
            found[point.name] = point.load()
        except (ImportError, AttributeError) as error:
            raise ModelError(
                f"plug-in '{point.name}' ({point.value}) cannot be loaded ({error}); update or uninstall its package"
            ) from error
    return found
