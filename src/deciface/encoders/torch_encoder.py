"""Improved residual networks run by PyTorch: on a GPU, or on the CPU in bfloat16.

On the CPU in full precision onnxruntime is as fast and needs no PyTorch; `deciface.encoders.open_encoder` takes it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.iresnet import Weights, build_iresnet, import_torch, load_weights
from deciface.encoders.packed_convolutions import can_pack, pack_convolutions
from deciface.encoders.precision import Precision
from deciface.encoders.protocol import check_crops, unit_rows
from deciface.errors import ModelError, OptionError
from deciface.models.card import Colour, ModelCard

BATCH = 16
"""Crops fed at once on the CPU: larger batches leave its caches and are slower."""
GPU_BATCH = 128

_one_at_a_time = threading.Lock()
"""PyTorch's number of threads belongs to the process."""


class TorchEncoder:
    """A face encoder run by PyTorch.

    Parameters
    ----------
    weights
        As `deciface.encoders.iresnet.fit_weights` gives them.
    card
        Declares architecture, colour order, mean and standard deviation.
    threads
        Threads of one call on the CPU.
    device
        ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    precision
        ``bf16`` runs the four stages in bfloat16 and the head in float32; see `deciface.encoders.precision`.

    Raises
    ------
    ModelError
        When PyTorch is not installed.
    OptionError
        When there is no such device here, or `threads` is out of range.

    Notes
    -----
    Calls from several threads at once are safe and wait for each other.
    """

    def __init__(
        self,
        weights: Weights,
        card: ModelCard,
        *,
        threads: int = 1,
        device: str = "cpu",
        precision: Precision = Precision.FP32,
    ) -> None:
        if not 1 <= threads <= 1024:
            raise OptionError(f"threads = {threads}; a whole number from 1 to 1024 is allowed: give the cores to use")
        torch = import_torch()
        check_device(device)
        self.card, self.threads, self.device, self.precision = card, threads, device, precision
        network = build_iresnet(str(card.architecture))
        load_weights(network, weights)
        network = _folded(network.eval())
        self._dtype = torch.bfloat16 if precision is Precision.BF16 else torch.float32
        if precision is Precision.BF16:
            for part in network.modules():
                if isinstance(part, torch.nn.Conv2d | torch.nn.PReLU):
                    part.to(torch.bfloat16)
        self._channels_last = precision is Precision.BF16 or device != "cpu"
        layout = torch.channels_last if self._channels_last else torch.contiguous_format
        network = network.to(device=device, memory_format=layout)
        if precision is Precision.BF16 and device == "cpu" and can_pack():
            network = pack_convolutions(network, batch=BATCH)
        self._network = network

    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode (n, h, w, 3) uint8 RGB crops; see `deciface.encoders.Encoder.encode`."""
        checked = check_crops(crops, self.card)
        step = BATCH if self.device == "cpu" else GPU_BATCH
        with _one_at_a_time, _threads(self.threads):
            parts = [self._run(checked[at : at + step]) for at in range(0, len(checked), step)]
        return np.concatenate(parts) if parts else np.zeros((0, self.card.dimensions), np.float32)

    def _run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        torch = import_torch()
        card = self.card
        pixels = crops[..., ::-1] if card.colour is Colour.BGR else crops
        # Sent as bytes, a quarter of the traffic; (n, h, w, 3) seen as (n, 3, h, w) is already channels-last.
        values = torch.from_numpy(np.array(pixels)).to(self.device).permute(0, 3, 1, 2).float()
        mean, std = (torch.tensor(v, device=self.device).view(1, -1, 1, 1) for v in (card.mean, card.std))
        values = ((values - mean) / std).to(self._dtype)
        layout = torch.channels_last if self._channels_last else torch.contiguous_format
        try:
            with torch.inference_mode():
                vectors = self._network(values.contiguous(memory_format=layout)).float().cpu().numpy()
        except RuntimeError as error:  # out of memory among them
            reason = " ".join(str(error).split())[:160]
            raise ModelError(
                f"{card.id} failed on a batch of {len(crops)} crops on {self.device} ({reason}); try device cpu"
            ) from error
        return unit_rows(vectors, card, count=len(crops))


def check_device(device: str) -> None:
    """Refuse a device that PyTorch does not have here.

    Raises
    ------
    OptionError
        With those that are there.
    """
    torch = import_torch()
    here = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    here += ["mps"] if torch.backends.mps.is_available() else []
    wanted = "cuda:0" if device == "cuda" else device
    if not re.fullmatch(r"cpu|mps|cuda:\d+", wanted) or wanted not in here:
        raise OptionError(f"device '{device}' is not here; PyTorch finds {', '.join(here)}: choose one of them")


def _folded(network: Any) -> Any:  # noqa: ANN401 - a torch.nn.Module
    """Fold every batch norm behind a convolution into it: same sums, fewer passes over memory."""
    torch = import_torch()
    fuse, nothing = torch.nn.utils.fusion.fuse_conv_bn_eval, torch.nn.Identity()
    network.conv1, network.bn1 = fuse(network.conv1, network.bn1), nothing
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for unit in stage:
            unit.conv1, unit.bn2 = fuse(unit.conv1, unit.bn2), nothing
            unit.conv2, unit.bn3 = fuse(unit.conv2, unit.bn3), nothing
            if not isinstance(unit.downsample, torch.nn.Identity):
                unit.downsample = fuse(*unit.downsample)
    return network


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Give PyTorch so many threads for a moment."""
    torch = import_torch()
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
