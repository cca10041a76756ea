"""Where a workspace keeps people, photos, vectors and consents: SQLite or PostgreSQL, and content-addressed files."""

from deciface.store.adding import Added
from deciface.store.derived import DerivedKind
from deciface.store.pages import ListedCase
from deciface.store.tombstones import SubjectKind
from deciface.store.workspace import Workspace

__all__ = ["Added", "DerivedKind", "ListedCase", "SubjectKind", "Workspace"]
