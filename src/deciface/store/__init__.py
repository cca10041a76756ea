"""Where a workspace keeps photos, people and vectors: SQLite and content-addressed files."""

from deciface.store.workspace import Added, Workspace

__all__ = ["Added", "Workspace"]
