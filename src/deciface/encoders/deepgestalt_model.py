"""A DeepGestalt-type model read from its one ONNX file: scores of all regions, and maps of what they come from."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.deepgestalt import Description, Label, ModelKind
from deciface.encoders.deepgestalt_export import CROPS, FORMAT, HEAT, SCORES, TOWARD, map_sides
from deciface.errors import MismatchError, ModelError, OptionError
from deciface.faces.region_crops import REGION_PX, REGIONS_VERSION, Region
from deciface.models.sessions import session_options

BATCH = 16
"""Photos fed at once."""
_LARGEST_FILE_BYTES = 2**31
_FLOAT, _UINT8 = 1, 2
"""`onnx.TensorProto.FLOAT` and `UINT8`."""
_MAKE_ONE = "give a file written by `deciface train deepgestalt`"


class DeepGestalt:
    """A model of `deciface.encoders.deepgestalt`, run by onnxruntime on the CPU.

    Parameters
    ----------
    source
        The ``.onnx`` file, or its bytes.
    threads
        Threads of one call; see `deciface.encoders.threads`.

    Raises
    ------
    ModelError
        When the file cannot be read, is no ONNX file, is none of these models, has no labels, is of regions cut in
        another way, or has other inputs or outputs than its labels and regions say.

    Notes
    -----
    Calls from several threads at once are safe.
    """

    def __init__(self, source: Path | bytes, *, threads: int = 1) -> None:
        self._name = "the model" if isinstance(source, bytes) else source.name
        self._threads = threads
        self._content = source if isinstance(source, bytes) else _read(source)
        proto = _parse(self._content, self._name)
        self.description = _describe(proto, self._name)
        self._check_shapes(proto)
        self._scores = self._session(_without_heat(proto))

    @property
    def labels(self) -> tuple[Label, ...]:
        """The classes, in the order of the scores."""
        return self.description.labels

    @property
    def regions(self) -> tuple[Region, ...]:
        """In the order of the crops."""
        return self.description.regions

    def scores(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Softmax of every region's network.

        Parameters
        ----------
        crops
            (n, regions, 100, 100) uint8 from `deciface.faces.region_crops`, regions as the model has them.

        Returns
        -------
        NDArray[np.float32]
            (n, regions, classes); `deciface.encoders.deepgestalt.aggregate` makes one score a class of them.

        Raises
        ------
        MismatchError
            On crops of another shape or type.
        ModelError
            When the answer is no number.
        """
        checked = self._checked(crops)
        parts = [
            np.asarray(self._scores.run([SCORES], {CROPS: checked[at : at + BATCH]})[0])
            for at in range(0, len(checked), BATCH)
        ]
        if not all(np.isfinite(part).all() for part in parts):
            raise ModelError(f"{self._name} answers with what is no number; its weights are damaged: train it again")
        return np.concatenate(parts) if parts else np.zeros((0, len(self.regions), len(self.labels)), np.float32)

    def maps(self, crops: NDArray[np.uint8], label: str) -> tuple[NDArray[np.float32], ...]:
        """What in the crops raises the logit of a class, behind each of the five poolings.

        Parameters
        ----------
        crops
            As in `scores`.
        label
            Id of a class.

        Returns
        -------
        tuple
            Five arrays (n, regions, s, s), signed, with s = 50, 25, 13, 7, 7; see `deepgestalt_export` for the method.

        Raises
        ------
        MismatchError
            On crops of another shape or type.
        OptionError
            When the model has no such class.
        """
        checked = self._checked(crops)
        toward = np.zeros((len(checked), len(self.labels)), np.float32)
        toward[:, self.number_of(label)] = 1
        found = [
            self._with_heat.run(list(HEAT), {CROPS: checked[at : at + BATCH], TOWARD: toward[at : at + BATCH]})
            for at in range(0, len(checked), BATCH)
        ]
        if not found:
            return tuple(np.zeros((0, len(self.regions), side, side), np.float32) for side in map_sides())
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))

    def number_of(self, label: str) -> int:
        """Column of a class in the scores.

        Raises
        ------
        OptionError
            When the model has no such class.
        """
        ids = [known.id for known in self.labels]
        if label not in ids:
            shown = ", ".join(ids[:12]) + (f" and {len(ids) - 12} more" if len(ids) > 12 else "")
            raise OptionError(f"'{label}' is not a class of {self._name}; it knows {shown}: choose from these")
        return ids.index(label)

    @cached_property
    def _with_heat(self) -> Any:  # noqa: ANN401 - onnxruntime ships no types
        return self._session(self._content)

    def _session(self, content: bytes) -> Any:  # noqa: ANN401 - as above
        import onnxruntime

        options = session_options(self._threads)
        try:
            return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated types, none of them public
            reason = " ".join(str(error).split())[:160]
            raise ModelError(f"{self._name} cannot be run by onnxruntime ({reason}); {_MAKE_ONE}") from error

    def _checked(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        given = np.asarray(crops)
        shape = (len(self.regions), REGION_PX, REGION_PX)
        if given.ndim != 4 or given.shape[1:] != shape or given.dtype != np.uint8:
            raise MismatchError(
                f"crops {given.shape} {given.dtype}; {self._name} takes (n, {', '.join(map(str, shape))}) uint8 of the "
                f"regions {', '.join(self.regions)}: cut them with `region_crops`"
            )
        return np.ascontiguousarray(given)

    def _check_shapes(self, proto: Any) -> None:  # noqa: ANN401 - onnx ships no types
        r, c = len(self.regions), len(self.labels)
        wanted = {CROPS: (r, REGION_PX, REGION_PX), TOWARD: (c,), SCORES: (r, c)}
        wanted.update({name: (r, side, side) for name, side in zip(HEAT, map_sides(), strict=True)})
        values = [*proto.graph.input, *proto.graph.output]
        sizes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
        found = {name: shape[1:] for name, shape in sizes.items()}
        if found != wanted:
            odd = min(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
            raise ModelError(
                f"{self._name}: '{odd}' is (n, {', '.join(map(str, found.get(odd, ('missing',))))}), its labels and "
                f"regions need (n, {', '.join(map(str, wanted.get(odd, ('nothing',))))}); {_MAKE_ONE}"
            )
        if fixed := [name for name, shape in sizes.items() if shape[:1] != (0,)]:
            raise ModelError(f"{self._name}: '{fixed[0]}' is for {sizes[fixed[0]][0]} photos alone; {_MAKE_ONE}")
        for value in values:
            kind, needed = value.type.tensor_type.elem_type, _UINT8 if value.name == CROPS else _FLOAT
            if kind != needed:
                raise ModelError(
                    f"{self._name}: '{value.name}' is of ONNX type {kind}, {needed} is needed; {_MAKE_ONE}"
                )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size >= _LARGEST_FILE_BYTES:
            raise ModelError(f"{path.name} has 2 GiB or more; {_MAKE_ONE}")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read ({error.strerror}); {_MAKE_ONE}") from error


def _parse(content: bytes, name: str) -> Any:  # noqa: ANN401 - onnx ships no types
    import onnx

    try:
        proto = onnx.load_model_from_string(content)
    except Exception as error:  # the exception of the protobuf runtime differs between its implementations
        raise ModelError(f"{name} is no ONNX file; {_MAKE_ONE}") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in proto.graph.initializer):
        raise ModelError(f"{name} keeps its weights in other files; {_MAKE_ONE}")
    return proto


def _describe(proto: Any, name: str) -> Description:  # noqa: ANN401 - as above
    said = {entry.key: entry.value for entry in proto.metadata_props}
    if said.get("format") != FORMAT:
        given = f"its format is '{said['format']}'" if "format" in said else "it does not name its format"
        raise ModelError(
            f"{name} is no DeepGestalt-type model of this version: {given}, '{FORMAT}' is read; {_MAKE_ONE}"
        )
    if said.get("regions_version") != REGIONS_VERSION:
        raise ModelError(
            f"{name} was trained on regions '{said.get('regions_version', 'not named')}', this version cuts "
            f"'{REGIONS_VERSION}'; train it again"
        )
    try:
        labels = tuple(Label(*map(str, pair)) for pair in json.loads(said["labels"]))
        regions = tuple(Region(region) for region in json.loads(said["regions"]))
        kind = ModelKind(said["kind"])
    except (KeyError, ValueError, TypeError) as error:
        missing = str(error) if isinstance(error, KeyError) else "labels, regions or kind"
        raise ModelError(f"{name}: {missing} missing or unreadable in its metadata; {_MAKE_ONE}") from error
    if len(labels) < 2 or len({label.id for label in labels}) < len(labels) or not regions:
        raise ModelError(f"{name} has {len(labels)} labels, at least 2 different ones are needed; {_MAKE_ONE}")
    return Description(kind, labels, regions, said.get("trained_on", ""))


def _without_heat(proto: Any) -> bytes:  # noqa: ANN401 - as above
    """Return the same model with what the scores need alone: half the work, and no second input."""
    import onnx

    made_by = {output: node for node in proto.graph.node for output in node.output}
    needed: set[str] = set()
    waiting = [SCORES]
    while waiting:
        value = waiting.pop()
        if value not in needed:
            needed.add(value)
            node = made_by.get(value)
            waiting.extend(node.input if node is not None else ())
    nodes = [node for node in proto.graph.node if needed.intersection(node.output)]
    graph = onnx.helper.make_graph(
        nodes,
        proto.graph.name,
        [value for value in proto.graph.input if value.name in needed],
        [value for value in proto.graph.output if value.name == SCORES],
        [tensor for tensor in proto.graph.initializer if tensor.name in needed],
    )
    part = onnx.helper.make_model(graph, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    return bytes(part.SerializeToString())
