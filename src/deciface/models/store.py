"""The folder of model files: which are there, whether they are what their cards say, and how they get in."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import BinaryIO, Protocol

import platformdirs
import yaml

from deciface.errors import ModelError, StorageError
from deciface.models.card import ModelCard, card_fields, card_from, read_card

_CARD = "card.yaml"
_PART = ".part"
_STALE_SECONDS = 3600.0
_BLOCK_BYTES = 1 << 20


class Readable(Protocol):
    """Anything with bytes to read."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


class ModelState(StrEnum):
    """What is found of a model."""

    PRESENT = "present"
    MISSING = "missing"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A card, where its file belongs, and what is found there."""

    card: ModelCard
    path: Path
    state: ModelState


def shipped_cards() -> list[ModelCard]:
    """Read the cards that come with the package, sorted by id."""
    folder = resources.files("deciface.models") / "cards"
    cards = []
    for entry in folder.iterdir():
        if entry.name.endswith(".yaml"):
            fields = yaml.safe_load(entry.read_text(encoding="utf-8"))
            cards.append(card_from(fields, origin=f"card '{entry.name}'"))
    return sorted(cards, key=lambda card: card.id)


def packaged_file(card: ModelCard) -> Path | None:
    """The file of a model that comes with the package itself; None for those that are fetched or added.

    An added model may have a file of the same name: only one whose card says the same content is this one.
    """
    path = Path(str(resources.files("deciface.models") / "files" / card.file))
    return path if (card.file, card.sha256) in _shipped_files() and path.is_file() else None


@cache
def _shipped_files() -> frozenset[tuple[str, str]]:
    return frozenset((card.file, card.sha256) for card in shipped_cards())


def default_root() -> Path:
    """Name the store: the folder in DECIFACE_MODELS, else the user's data folder."""
    given = os.environ.get("DECIFACE_MODELS")
    return Path(given) if given else Path(platformdirs.user_data_dir("deciface", appauthor=False)) / "models"


class ModelStore:
    """A folder of model files, one sub-folder per model id.

    Parameters
    ----------
    root
        The folder; made when the first file comes in. Left out: `default_root`.
    """

    _verified: dict[tuple[str, int, int, int], str] = {}  # noqa: RUF012 - shared by all stores of the process
    _lock = threading.Lock()

    def __init__(self, root: Path | None = None) -> None:
        self.root = root if root is not None else default_root()

    def cards(self) -> list[ModelCard]:
        """Read all cards, shipped and added, sorted by id.

        Raises
        ------
        ModelError
            When the card of an added model is damaged.
        """
        cards = {card.id: card for card in shipped_cards()}
        for path in sorted(self.root.glob(f"*/{_CARD}")):
            card = read_card(path, origin=f"card '{path}'")
            if card.id != path.parent.name:
                raise ModelError(f"card '{path}' has the id '{card.id}'; its folder must have that name: rename it")
            cards.setdefault(card.id, card)
        return [cards[id_] for id_ in sorted(cards)]

    def card(self, id_: str) -> ModelCard:
        """Look up one card.

        Raises
        ------
        ModelError
            When no model has this id; the message lists those there are.
        """
        cards = self.cards()
        for card in cards:
            if card.id == id_:
                return card
        raise ModelError(f"no model '{id_}'; there are {', '.join(card.id for card in cards)}: `deciface models list`")

    def knows(self, id_: str) -> bool:
        """Whether there is a card of that id."""
        return any(card.id == id_ for card in self.cards())

    def path(self, id_: str) -> Path:
        """Find the file of a model, after its sha256 was checked.

        A file is hashed once per process and again when its size or time of change differ.

        Raises
        ------
        ModelError
            Unknown id, file missing, or file altered; the message names the command that helps.
        """
        found = self._status(self.card(id_))
        if found.state is ModelState.PRESENT:
            return found.path
        remedy = (
            "run `deciface models fetch`"
            if found.card.source
            else f"give its file again: `deciface models fetch --from {found.card.file}`"
        )
        if found.state is ModelState.MISSING:
            raise ModelError(f"model '{id_}' is missing ({found.path}); {remedy}")
        raise ModelError(
            f"model '{id_}' is altered: {found.path} is not the file of its card (sha256 differs); {remedy}"
        )

    def status(self) -> list[ModelStatus]:
        """Look up what is found of every model, sorted by id."""
        return [self._status(card) for card in self.cards()]

    def _status(self, card: ModelCard) -> ModelStatus:
        path = packaged_file(card) or self.root / card.id / card.file
        try:
            found = path.stat()
            if not path.is_file() or found.st_size != card.bytes:
                return ModelStatus(card, path, ModelState.ALTERED)
            key = (str(path.resolve()), found.st_mtime_ns, found.st_size, found.st_ino)
            sha256 = self._verified.get(key)
            if sha256 is None:
                with path.open("rb") as file:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                with self._lock:
                    self._verified[key] = sha256
        except FileNotFoundError:
            return ModelStatus(card, path, ModelState.MISSING)
        except OSError as error:
            raise StorageError(f"'{path}' cannot be read ({error.strerror or error}); check your rights") from error
        return ModelStatus(card, path, ModelState.PRESENT if sha256 == card.sha256 else ModelState.ALTERED)

    def place(self, stream: Readable, *, wanted: dict[str, ModelCard], max_bytes: int) -> ModelCard | None:
        """Copy a stream into the store if it is one of the wanted files; otherwise leave no trace.

        The file appears whole or not at all, and any number of processes may place the same file at once.

        Parameters
        ----------
        stream
            Read to its end, at most `max_bytes`.
        wanted
            Cards by the sha256 of their files.
        max_bytes
            Anything longer is not one of them.

        Returns
        -------
        ModelCard or None
            Whose file it was.

        Raises
        ------
        StorageError
            The store cannot be written: no right, disk full.
        """
        with self._storing(), self._part(self.root) as (part, path):
            digest, size = hashlib.sha256(), 0
            while block := stream.read(_BLOCK_BYTES):
                size += len(block)
                if size > max_bytes:
                    return None
                digest.update(block)
                part.write(block)
            card = wanted.get(digest.hexdigest())
            if card is not None:
                self._keep(part, path, self.root / card.id / card.file)
        return card

    def place_card(self, card: ModelCard) -> None:
        """Write the card of an added model; its file must be in place already."""
        text = yaml.safe_dump(card_fields(card), sort_keys=False, allow_unicode=True)
        with self._storing(), self._part(self.root) as (part, path):
            part.write(text.encode())
            self._keep(part, path, self.root / card.id / _CARD)

    def sweep(self) -> None:
        """Remove what an interrupted fetch left behind more than an hour ago."""
        with contextlib.suppress(OSError):
            for path in self.root.glob(f".*{_PART}"):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise StorageError(
                f"the model store '{self.root}' cannot be written ({error.strerror or error}); "
                "check rights and free space, or name another folder by DECIFACE_MODELS"
            ) from error

    @staticmethod
    @contextlib.contextmanager
    def _part(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
        """Open a temporary file in the store, gone at the end unless it was renamed."""
        handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=_PART)
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as part:
                yield part, path
        finally:
            path.unlink(missing_ok=True)

    @staticmethod
    def _keep(part: BinaryIO, path: Path, target: Path) -> None:
        part.flush()
        os.fsync(part.fileno())
        part.close()  # Windows renames no open file
        path.chmod(0o644)
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
