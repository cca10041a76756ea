from __future__ import annotations

import numpy as np
import pytest

from deciface.errors import MismatchError, OptionError
from deciface.explain import Contrast, gradient_map

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def network():
    """Looks at the upper left quarter of (3, 12, 12) alone."""
    torch.manual_seed(0)
    inside = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 36, 8), torch.nn.Tanh(), torch.nn.Linear(8, 5))

    class Quarter(torch.nn.Module):
        def forward(self, x):
            return inside(x[:, :, :6, :6])

    inside.requires_grad_(requires_grad=False)
    return Quarter().eval()


@pytest.fixture(scope="module")
def faces():
    return np.random.default_rng(1).normal(size=(2, 3, 12, 12)).astype(np.float32)


CONTRAST = Contrast(np.eye(5)[0], np.eye(5)[3])


def test_pixels_that_are_not_looked_at_get_nothing_and_all_add_up(network, faces):
    found = gradient_map(network, faces[0], fed_filling=faces[1], contrast=CONTRAST, steps=256)
    assert found.shape == (12, 12)
    assert np.all(found[6:] == 0)
    assert np.all(found[:, 6:] == 0)
    vectors = torch.nn.functional.normalize(network(torch.from_numpy(faces)), dim=1).numpy()
    scores = CONTRAST.of(vectors)
    assert found.sum() == pytest.approx(scores[0] - scores[1], abs=2e-3)


def test_refusals(network, faces):
    with pytest.raises(MismatchError, match=r"^faces of \(3, 12, 12\) and \(3, 12, 11\); both must be \(3, h, w\)"):
        gradient_map(network, faces[0], fed_filling=faces[1, :, :, 1:], contrast=CONTRAST)
    with pytest.raises(OptionError, match=r"^0 steps; 1 to 512 are allowed"):
        gradient_map(network, faces[0], fed_filling=faces[1], contrast=CONTRAST, steps=0)
