"""Convolutions whose weights oneDNN has laid out once, for residual networks in bfloat16 on the CPU.

Left to itself PyTorch lays the weights of every convolution out anew in every call, and adds the shortcut in a pass of
its own. Here the weights are laid out when the network is opened, and the last convolution of each unit adds its result
to the shortcut. The numbers stay those of bfloat16; what is gained is printed by `deciface bench encode`.

The operators are those that PyTorch's own compiler uses; where they are missing the network is left as it is.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from deciface.encoders.iresnet import INPUT_PX, import_torch


def can_pack() -> bool:
    """Whether this PyTorch and this processor have the operators."""
    torch = import_torch()
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    names = ("_reorder_convolution_weight", "_convolution_pointwise", "_convolution_pointwise_")
    return all(hasattr(torch.ops.mkldnn, name) for name in names)


def pack_convolutions(network: Any, *, batch: int) -> Any:  # noqa: ANN401 - a torch.nn.Module
    """Replace the convolutions of a folded iResNet by packed ones and let each unit add in place.

    Parameters
    ----------
    network
        `deciface.encoders.iresnet.build_iresnet` in evaluation mode, batch norms folded, bfloat16, channels-last; it is
        changed.
    batch
        Crops usually given at once; the layout is chosen for them, and others are right too.

    Returns
    -------
    torch.nn.Module
        The same network.
    """
    torch = import_torch()
    shapes = _input_shapes(network, batch)
    packed, unit = _classes()

    def walk(module: Any) -> None:  # noqa: ANN401
        for name, part in list(module.named_children()):
            if isinstance(part, torch.nn.Conv2d):
                setattr(module, name, packed(part, shapes[part]))
            else:
                walk(part)

    with torch.inference_mode():
        walk(network)
    for name in ("layer1", "layer2", "layer3", "layer4"):
        stage = getattr(network, name)
        setattr(network, name, torch.nn.Sequential(*(unit(part) for part in stage)))
    return network


def _input_shapes(network: Any, batch: int) -> dict[Any, list[int]]:  # noqa: ANN401
    """Shape that each convolution is given, seen by running one crop."""
    torch = import_torch()
    shapes: dict[Any, list[int]] = {}

    def note(module: Any, given: Any) -> None:  # noqa: ANN401
        shapes[module] = [batch, *given[0].shape[1:]]

    convolutions = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    hooks = [part.register_forward_pre_hook(note) for part in convolutions]
    crop = torch.zeros(1, 3, INPUT_PX, INPUT_PX, dtype=torch.bfloat16)
    with torch.inference_mode():
        network(crop.contiguous(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
    return shapes


@cache
def _classes() -> tuple[Any, Any]:
    """Packed convolution and the unit that adds in place: classes that exist only once PyTorch is there."""
    torch = import_torch()
    nn, onednn = torch.nn, torch.ops.mkldnn

    class PackedConvolution(nn.Module):  # type: ignore[misc, name-defined]
        """A convolution with bias."""

        def __init__(self, convolution: Any, shape: list[int]) -> None:  # noqa: ANN401
            super().__init__()
            self.padding, self.stride = list(convolution.padding), list(convolution.stride)
            self.bias = convolution.bias
            where = (self.padding, self.stride, [1, 1], 1)
            self.weight = onednn._reorder_convolution_weight(convolution.weight, *where, shape)
            self._where = where

        def forward(self, x: Any) -> Any:  # noqa: ANN401
            return onednn._convolution_pointwise(x, self.weight, self.bias, *self._where, "none", [], "")

        def added_to(self, total: Any, x: Any) -> Any:  # noqa: ANN401
            """Convolution of x added to `total`, which is changed."""
            return onednn._convolution_pointwise_.binary(
                total, x, self.weight, self.bias, *self._where, "add", 1.0, None, [], None
            )

    class AddingUnit(nn.Module):  # type: ignore[misc, name-defined]
        """A folded residual unit of `deciface.encoders.iresnet`; what it is given is overwritten."""

        def __init__(self, unit: Any) -> None:  # noqa: ANN401
            super().__init__()
            self.bn1, self.conv1, self.prelu, self.conv2 = unit.bn1, unit.conv1, unit.prelu, unit.conv2
            self.downsample = unit.downsample

        def forward(self, x: Any) -> Any:  # noqa: ANN401
            inside = self.prelu(self.conv1(self.bn1(x)))
            return self.conv2.added_to(self.downsample(x), inside)

    return PackedConvolution, AddingUnit
