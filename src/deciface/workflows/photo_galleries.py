"""Open a gallery as photos, not vectors: a workspace, or a case table with the photos it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deciface.cases import NOT_STATED, Photo
from deciface.errors import NoGalleryError, OptionError
from deciface.faces.landmarks import Landmarks
from deciface.formats.case_table import read_table
from deciface.store import Workspace

CASE_TABLE = "cases.csv"


@dataclass(frozen=True, eq=False)
class PhotoGallery:
    """A gallery as photos, not vectors.

    Parameters
    ----------
    name
        Where it came from.
    photos
        Those whose image is there.
    image
        Photo id -> file or bytes.
    diagnosed
        Ids of people who have a diagnosis in any of their photos, also in one whose image is not there.
    workspace
        The workspace they are in, or None.
    """

    name: str
    photos: tuple[Photo, ...]
    image: Callable[[str], Path | bytes]
    diagnosed: frozenset[str]
    workspace: Workspace | None = None

    def owners_of(self, photo: Path, pixel_sha256: str) -> set[str]:
        """Ids of the people whom a photo shows, by its pixels or, where a table does not state those, by its file."""
        found = {p.patient.id for p in self.photos if p.sha256 == pixel_sha256}
        size = photo.stat().st_size
        alike = ((p.patient.id, self.image(p.id)) for p in self.photos if p.sha256 == NOT_STATED)
        files = ((who, file) for who, file in alike if isinstance(file, Path) and file.stat().st_size == size)
        return found | {who for who, file in files if file.read_bytes() == photo.read_bytes()}

    def points(self, photo_id: str) -> Landmarks | None:
        """Face points of a photo as people left them: the newest stored version, whose source says how many by hand.

        Whoever needs points of a gallery's photo asks here first and lets the landmark model place them only where the
        answer is None: then a correction counts in everything that is made of points. None for photos of which no
        version is stored, and for case tables, which keep none.

        Raises
        ------
        InputError, AccessError, StorageError
            As `Workspace.landmarks`.
        """
        stored = self.workspace.landmarks(photo_id) if self.workspace else None
        return stored.described if stored else None


@contextmanager
def open_photos(path: Path | None, *, cases: Path | None = None) -> Iterator[PhotoGallery]:
    """Open a gallery of photos: a workspace, a folder with ``cases.csv``, or a case table that names its photos.

    Raises
    ------
    NoGalleryError
        When no photo is there.
    OptionError
        When a file of encodings is given: vectors cannot be explained.
    StorageError, TableError
        When it cannot be opened.
    """
    if cases is None and path is not None and (path / CASE_TABLE).is_file():
        cases = path / CASE_TABLE
    if cases is not None:
        yield _from_table(cases)
        return
    if path is None or path.is_file():
        given = "nothing" if path is None else f"'{path.name}', which holds vectors only"
        raise OptionError(
            f"the gallery's photos are needed, given {given}; give a workspace (--gallery FOLDER) or a case "
            "table that names its photos (--cases TABLE.csv)"
        )
    with Workspace.open(path) as workspace:
        known = tuple(workspace.photos())
        photos = tuple(p for p in known if workspace.has_image(p.id))
        if not photos:
            raise NoGalleryError(f"the workspace '{path.name}' holds no photos that you may see; import some first")
        yield PhotoGallery(path.name, photos, workspace.image_bytes, _diagnosed(known), workspace)


def _from_table(cases: Path) -> PhotoGallery:
    table = read_table(cases)
    files = {i: f for i, f in table.photo_files.items() if not isinstance(f, Path) or f.is_file()}
    known = tuple(p for _, case in table.cases for p in case.photos)
    photos = tuple(p for p in known if p.id in files)
    if not photos:
        raise NoGalleryError(
            f"no photo of '{cases.name}' is there; name image files, relative to the table, in its column 'photo'"
        )

    def image(photo_id: str) -> Path | bytes:
        file = files[photo_id]
        return file if isinstance(file, Path) else file()

    return PhotoGallery(cases.name, photos, image, _diagnosed(known))


def _diagnosed(photos: Iterable[Photo]) -> frozenset[str]:
    return frozenset(p.patient.id for p in photos if p.diagnoses)
