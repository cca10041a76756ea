"""The part of the pickle language that saved tensors need, followed without importing or calling anything.

`pickletools` splits a pickle into its instructions; the interpreter here knows those that build dictionaries, lists,
tuples, numbers and text, and three constructors that PyTorch writes for a state dict. All other names are refused
before the first instruction is followed, so that code in a file can be named, but never run.
"""

from __future__ import annotations

import io
import pickletools
from dataclasses import dataclass
from functools import reduce
from operator import mul

MAX_PICKLE_BYTES = 64 * 2**20
_DICTIONARY = "collections.OrderedDict"
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"
_STORAGES = {
    "torch.DoubleStorage": "<f8",
    "torch.FloatStorage": "<f4",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "|i1",
    "torch.ByteStorage": "|u1",
    "torch.BoolStorage": "|b1",
}
_KNOWN = {_DICTIONARY, _TENSOR, _PARAMETER, *_STORAGES}
_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINSTRING", "BINSTRING"),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = {"PROTO", "FRAME"}


class Refused(Exception):  # noqa: N818 - caught and told in words by the reader of the file
    """A pickle that asks for more than tensors; `found` names it."""

    def __init__(self, found: tuple[str, ...]) -> None:
        super().__init__(", ".join(found))
        self.found = found


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers that lies elsewhere in the file; `kind` is a numpy type or bfloat16."""

    kind: str
    key: str
    count: int

    @property
    def bytes(self) -> int:
        """Length in the file."""
        return self.count * (2 if self.kind == "bfloat16" else int(self.kind[2:]))


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """A view of a storage; offset and strides count numbers, not bytes."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Name:
    """Something that a pickle would import."""

    name: str


def evaluate(stream: io.BytesIO) -> object:
    """Follow the pickle that begins here; the stream then stands behind it.

    Returns
    -------
    object
        Dictionaries, lists, tuples, numbers, text and `PickledTensor`; anything else as None.

    Raises
    ------
    Refused
        When the pickle names anything but tensors and dictionaries, or uses other instructions.
    ValueError, TypeError, IndexError, KeyError, struct.error
        When it is damaged or larger than `MAX_PICKLE_BYTES`.
    """
    start = stream.tell()
    foreign = _foreign_names(stream)
    if foreign:
        raise Refused(foreign)
    stream.seek(start)
    return _Interpreter().run(stream)


def _foreign_names(stream: io.BytesIO) -> tuple[str, ...]:
    """List what a pickle would import besides tensors; each name once."""
    start, texts, found = stream.tell(), ["", ""], dict[str, None]()
    for opcode, argument, _ in pickletools.genops(stream):
        if stream.tell() - start > MAX_PICKLE_BYTES:
            raise ValueError(f"a pickle of more than {MAX_PICKLE_BYTES >> 20} MiB")
        if isinstance(argument, str) and opcode.name in _LITERALS:
            texts = [texts[1], argument]
        name = ""
        if opcode.name in ("GLOBAL", "INST"):
            name = str(argument).replace(" ", ".", 1)
        elif opcode.name == "STACK_GLOBAL":
            name = ".".join(texts)
        if name and name not in _KNOWN:
            found[name] = None
    return tuple(found)


class _Interpreter:
    """Stack and memory of one pickle."""

    def __init__(self) -> None:
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memory: dict[int, object] = {}

    def run(self, stream: io.BytesIO) -> object:
        """Follow all instructions; return what is on top of the stack at the end."""
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "STOP":
                break
            self._follow(opcode.name, argument)
        return self.stack.pop()

    def _follow(self, what: str, argument: object) -> None:
        stack = self.stack
        if what in _LITERALS:
            stack.append(argument)
        elif what in _VALUES:
            stack.append(_VALUES[what])
        elif what in _TUPLES:
            stack.append(self._pop(_TUPLES[what]))
        elif what in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memory[argument if isinstance(argument, int) else len(self.memory)] = stack[-1]
        elif what in ("BINGET", "LONG_BINGET"):
            stack.append(self.memory[int(str(argument))])
        elif what == "MARK":
            self.marks.append(len(stack))
        elif what in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append({"EMPTY_DICT": {}, "EMPTY_LIST": [], "EMPTY_TUPLE": ()}[what])
        elif what == "GLOBAL":
            stack.append(_Name(str(argument).replace(" ", ".", 1)))
        elif what == "STACK_GLOBAL":
            stack.append(_Name(".".join(map(str, self._pop(2)))))
        elif what not in _IGNORED:
            self._build(what)

    def _build(self, what: str) -> None:
        """Follow an instruction that joins values on the stack."""
        stack = self.stack
        if what == "TUPLE":
            stack.append(self._marked())
        elif what in ("SETITEM", "SETITEMS"):
            items = self._pop(2) if what == "SETITEM" else self._marked()
            self._dictionary().update(zip(items[::2], items[1::2], strict=True))
        elif what in ("APPEND", "APPENDS"):
            values = self._pop(1) if what == "APPEND" else self._marked()
            target = stack[-1]
            if not isinstance(target, list):
                raise TypeError("something is appended to no list")
            target.extend(values)
        elif what == "REDUCE":
            stack.append(_made(*self._pop(2)))
        elif what == "BUILD":
            self._pop(1)  # attributes of a dictionary: versions of layers, not needed
        elif what == "BINPERSID":
            stack.append(_storage(*self._pop(1)))
        else:
            raise Refused((f"the instruction {what}",))

    def _pop(self, count: int) -> tuple[object, ...]:
        if len(self.stack) < count + (self.marks[-1] if self.marks else 0):
            raise IndexError("an instruction without its values")
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        return values

    def _marked(self) -> tuple[object, ...]:
        at = self.marks.pop()
        values = tuple(self.stack[at:])
        del self.stack[at:]
        return values

    def _dictionary(self) -> dict[object, object]:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise TypeError("something is entered into no dictionary")
        return target


def _made(constructor: object, arguments: object) -> object:
    """What one of the three constructors gives."""
    name = constructor.name if isinstance(constructor, _Name) else ""
    if not isinstance(arguments, tuple):
        raise TypeError("a constructor without arguments")
    if name == _DICTIONARY:
        return dict(arguments[0]) if arguments else {}
    if name == _PARAMETER:
        return arguments[0]
    if name == _TENSOR:
        return _tensor(*arguments[:4])
    raise Refused((name or type(constructor).__name__,))


def _tensor(storage: object, offset: object, size: object, stride: object) -> PickledTensor:
    shape, steps = _whole_numbers(size), _whole_numbers(stride)
    (start,) = _whole_numbers((offset,))
    if not isinstance(storage, Storage) or len(shape) != len(steps) or len(shape) > 16:
        raise TypeError("a tensor that is none")
    count = reduce(mul, shape, 1)
    last = start + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if count > storage.count or (count and last >= storage.count):
        raise ValueError("a tensor larger than its storage")
    return PickledTensor(storage, start, shape, steps)


def _storage(described: object) -> Storage:
    if not isinstance(described, tuple) or len(described) < 5 or described[0] != "storage":
        raise TypeError("a storage that is none")
    kind, key, count = described[1], described[2], described[4]
    if any(part is not None for part in described[5:]):
        raise ValueError("views of storages, as PyTorch before 0.4 wrote them")
    if not isinstance(kind, _Name) or kind.name not in _STORAGES or not isinstance(key, str):
        raise TypeError("a storage of unknown type")
    return Storage(_STORAGES[kind.name], key, *_whole_numbers((count,)))


def _whole_numbers(values: object) -> tuple[int, ...]:
    numbers = tuple(v for v in values if isinstance(v, int) and 0 <= v < 2**40) if isinstance(values, tuple) else ()
    if not isinstance(values, tuple) or len(numbers) != len(values):
        raise ValueError("sizes that are none")
    return numbers
