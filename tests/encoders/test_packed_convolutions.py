"""Packed convolutions: the numbers of the plain network, whatever the batch, and nobody's input overwritten."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.encoders.iresnet import build_iresnet, load_weights
from deciface.encoders.precision import Precision
from deciface.encoders.torch_encoder import TorchEncoder
from tests.encoders.iresnets import iresnet_card, weights_of

torch = pytest.importorskip("torch")
packing = pytest.importorskip("deciface.encoders.packed_convolutions")
pytestmark = pytest.mark.skipif(not packing.can_pack(), reason="oneDNN has no bfloat16 on this processor")


def plain() -> TorchEncoder:
    """An encoder in bfloat16 whose convolutions are left as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deciface.encoders.torch_encoder.can_pack", lambda: False)
        return TorchEncoder(weights_of(), iresnet_card(), threads=2, precision=Precision.BF16)


def packed() -> TorchEncoder:
    """The same, packed."""
    return TorchEncoder(weights_of(), iresnet_card(), threads=2, precision=Precision.BF16)


@pytest.mark.parametrize("count", [1, 5, 16, 33])
def test_the_numbers_are_those_of_the_plain_network(count):
    crops = np.random.default_rng(3).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)
    cosines = (plain().encode(crops) * packed().encode(crops)).sum(1)
    assert cosines.min() > 0.9995, "sums rounded in another order, no more"


def test_every_convolution_is_packed_and_no_input_is_overwritten():
    network = packed()._network
    assert not [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    values = torch.rand(2, 3, 112, 112).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    before = values.clone()
    with torch.inference_mode():
        first, second = network(values), network(values)
    assert torch.equal(values, before)
    assert torch.equal(first, second)


def test_the_layout_chosen_for_another_batch_is_right_too():
    network = build_iresnet("iresnet18")
    load_weights(network, weights_of())
    made = packed()._network
    values = torch.rand(3, 3, 112, 112)
    with torch.inference_mode():
        exact = network.eval()(values)
        found = made(values.to(torch.bfloat16).contiguous(memory_format=torch.channels_last))
    assert torch.nn.functional.cosine_similarity(exact, found.float()).min() > 0.999
