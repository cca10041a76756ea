"""Any face encoder in an ONNX file, fed as its card declares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.protocol import check_crops, luminance, unit_rows
from deciface.errors import ModelError
from deciface.models.card import Colour, Layout, ModelCard
from deciface.models.sessions import session_options

BATCH = 16
"""Crops fed at once to a network of free batch size: larger batches were not faster and take more memory."""

_FLOAT_TYPES: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxEncoder:
    """A face encoder run by onnxruntime on the CPU.

    Parameters
    ----------
    source
        An ``.onnx`` file, or the bytes of one.
    card
        Declares size, channels, colour order, layout, mean and standard deviation (on 0..255), alignment, dimensions.
    threads
        Threads of one call; see `deciface.encoders.threads`.

    Raises
    ------
    ModelError
        When the file is no ONNX network, has several inputs, or its shapes contradict the card.

    Notes
    -----
    A network with a fixed batch size is fed in batches of that size, the last one filled up by repeating its last crop.
    Calls from several threads at once are safe.
    """

    def __init__(self, source: Path | bytes, card: ModelCard, *, threads: int = 1) -> None:
        import onnxruntime

        options = session_options(threads)
        self.card = card
        self.threads = threads
        try:
            self._session = onnxruntime.InferenceSession(
                source if isinstance(source, bytes) else str(source), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises a dozen unrelated types, none of them public
            reason = " ".join(str(error).split())[:160]
            raise ModelError(
                f"{self._name(source)} is no ONNX network that onnxruntime can run ({reason}); "
                "give a readable .onnx file with float32 weights"
            ) from error
        self._input, self._dtype, self._fixed_batch = self._check_input(source)
        self._output = self._check_output(source)

    @staticmethod
    def _name(source: Path | bytes) -> str:
        return "the network" if isinstance(source, bytes) else source.name

    def _check_input(self, source: Path | bytes) -> tuple[str, type[np.floating[Any]], int | None]:
        """Compare the declared input with the card; return name, type and batch size (None: free)."""
        card, inputs = self.card, self._session.get_inputs()
        plane = (card.input_px[1], card.input_px[0])
        wanted = (card.channels, *plane) if card.layout is Layout.NCHW else (*plane, card.channels)
        found = [tuple(i.shape) for i in inputs]
        fits = len(inputs) == 1 and len(found[0]) == 4
        if not fits or any(isinstance(f, int) and f != w for f, w in zip(found[0][1:], wanted, strict=True)):
            raise ModelError(
                f"{self._name(source)} takes {', '.join(map(str, found)) or 'nothing'}; the card '{card.id}' declares "
                f"(n, {', '.join(map(str, wanted))}) in layout {card.layout}: correct input_px, channels or layout"
            )
        if inputs[0].type not in _FLOAT_TYPES:
            raise ModelError(
                f"{self._name(source)} takes {inputs[0].type}; {' or '.join(_FLOAT_TYPES)} is allowed: "
                "export the network with a float input"
            )
        batch = found[0][0]
        return inputs[0].name, _FLOAT_TYPES[inputs[0].type], batch if isinstance(batch, int) and batch > 0 else None

    def _check_output(self, source: Path | bytes) -> str:
        """Return the one output that can be (n, dimensions)."""
        outputs = self._session.get_outputs()

        def fits(shape: list[int | str | None]) -> bool:
            sizes = [size for size in shape[1:] if size != 1]
            return len(shape) >= 2 and all(not isinstance(s, int) or s == self.card.dimensions for s in sizes)

        fitting = [o.name for o in outputs if fits(o.shape)]
        if len(fitting) != 1:
            raise ModelError(
                f"{self._name(source)} gives {', '.join(str(tuple(o.shape)) for o in outputs)}; the card "
                f"'{self.card.id}' declares one output (n, {self.card.dimensions}): correct `dimensions`"
            )
        return str(fitting[0])

    def prepare(self, crops: NDArray[np.uint8]) -> NDArray[np.floating[Any]]:
        """Turn crops (n, h, w, 3) uint8 RGB into what the network is fed, as the card declares."""
        card = self.card
        if card.colour is Colour.GREY:
            pixels = luminance(crops)[..., :1]
        else:
            pixels = crops[..., ::-1] if card.colour is Colour.BGR else crops
        values = (pixels.astype(np.float32) - np.asarray(card.mean, np.float32)) / np.asarray(card.std, np.float32)
        if card.layout is Layout.NCHW:
            values = values.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values, dtype=self._dtype)

    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode (n, h, w, 3) uint8 RGB crops; see `deciface.encoders.Encoder.encode`."""
        checked = check_crops(crops, self.card)
        step = self._fixed_batch or BATCH
        parts = [self._run(checked[at : at + step]) for at in range(0, len(checked), step)]
        return np.concatenate(parts) if parts else np.zeros((0, self.card.dimensions), np.float32)

    def _run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        count = len(crops)
        missing = (self._fixed_batch or count) - count
        if missing:
            crops = np.concatenate([crops, np.repeat(crops[-1:], missing, axis=0)])
        try:
            raw = self._session.run([self._output], {self._input: self.prepare(crops)})[0]
        except Exception as error:  # as above
            reason = " ".join(str(error).split())[:160]
            raise ModelError(
                f"{self.card.id} failed on a batch of {len(crops)} crops ({reason}); does its card describe it?"
            ) from error
        return unit_rows(np.asarray(raw)[:count] if missing else np.asarray(raw), self.card, count=count)
