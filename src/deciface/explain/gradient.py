"""Gradient maps, for comparison with occlusion maps: which pixels the score of a network hangs on.

Integrated gradients (Sundararajan, Taly and Yan, Axiomatic attribution for deep networks, ICML 2017): the gradient of
the contrast is averaged along the straight line from the mean face of controls to the photo and multiplied by their
difference. What the pixels get adds up to the difference between the two faces' scores. Needs PyTorch and the network
as a module; an encoder that is known by its answers alone has no gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.iresnet import import_torch
from deciface.errors import MismatchError, OptionError
from deciface.explain.composites import Contrast, Floats

STEPS = 16


def gradient_map(
    network: Any,  # noqa: ANN401 - a torch.nn.Module
    fed: NDArray[np.float32],
    *,
    fed_filling: NDArray[np.float32],
    contrast: Contrast,
    steps: int = STEPS,
) -> Floats:
    """Attribute the contrast of a face to its pixels.

    Parameters
    ----------
    network
        A torch.nn.Module in evaluation mode on the CPU, (n, 3, h, w) to (n, d) of any length.
    fed, fed_filling
        (3, h, w) float32, the face and the mean face of controls as the network is fed them.
    contrast
        Disorder against controls.
    steps
        Points on the line between the two, 1 to 512; the more, the nearer the sum is to the difference of the scores.

    Returns
    -------
    (h, w) float64, summed over the channels. Above 0: speaks for the disorder.

    Raises
    ------
    ModelError
        When PyTorch is not installed.
    MismatchError
        When the two faces have different shapes.
    OptionError
        When `steps` is out of range.
    """
    if fed.shape != fed_filling.shape or fed.ndim != 3:
        raise MismatchError(f"faces of {fed.shape} and {fed_filling.shape}; both must be (3, h, w): align both alike")
    if not 1 <= steps <= 512:
        raise OptionError(f"{steps} steps; 1 to 512 are allowed")
    torch = import_torch()
    start, end = torch.from_numpy(np.array(fed_filling)), torch.from_numpy(np.array(fed))
    axis = torch.from_numpy((contrast.toward - contrast.against).astype(np.float32))
    total = torch.zeros_like(start)
    for middle in (np.arange(steps) + 0.5) / steps:
        face = (start + float(middle) * (end - start))[None].requires_grad_()
        vector = torch.nn.functional.normalize(network(face), dim=1)[0]
        (gradient,) = torch.autograd.grad(vector @ axis, face)
        total += gradient[0]
    attributed = (total / steps * (end - start)).sum(dim=0)
    return np.asarray(attributed.detach().numpy(), np.float64)
