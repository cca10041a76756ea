"""Improved residual networks: layout of their weights, what is taken out of a state dict, the PyTorch module."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deciface.encoders import iresnet
from deciface.encoders.iresnet import ARCHITECTURES, build_iresnet, load_weights, units_of, weight_shapes
from deciface.encoders.iresnet_weights import fit_weights, random_weights
from deciface.errors import ModelError, OptionError
from deciface.models import card as cards
from tests.encoders.iresnets import as_tensors, weights_of


def refusal(tensors, architecture="iresnet18"):
    with pytest.raises(ModelError) as caught:
        fit_weights(tensors, architecture, name="w.pth")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_cards_know_the_same_architectures():
    assert tuple(ARCHITECTURES) == cards.ARCHITECTURES


@pytest.mark.parametrize(("architecture", "millions"), [("iresnet50", 43.59), ("iresnet100", 65.16)])
def test_number_of_weights_is_the_published_one(architecture, millions):
    learnt = [s for key, s in weight_shapes(architecture).items() if "running" not in key]
    assert sum(math.prod(shape) for shape in learnt) / 1e6 == pytest.approx(millions, abs=0.02)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_names_and_shapes_are_those_of_the_module(architecture):
    pytest.importorskip("torch")
    state = build_iresnet(architecture).state_dict()
    found = {k: tuple(v.shape) for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert found == weight_shapes(architecture)
    assert list(found) == list(weight_shapes(architecture))


def test_the_module_is_the_network_by_hand():
    """One unit that halves and one that does not, computed from its description with plain functions."""
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    w = as_tensors(weights_of())
    network = build_iresnet("iresnet18").eval()
    load_weights(network, weights_of())

    def norm(x, at):
        parts = (w[f"{at}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        mean, var, scale, shift = (part.view([1, -1] + [1] * (x.dim() - 2)) for part in parts)
        return (x - mean) / torch.sqrt(var + 1e-5) * scale + shift

    def prelu(x, at):
        return torch.where(x > 0, x, x * w[f"{at}.weight"].view(1, -1, 1, 1))

    def unit(x, at, stride):
        y = f.conv2d(norm(x, f"{at}.bn1"), w[f"{at}.conv1.weight"], padding=1)
        y = f.conv2d(prelu(norm(y, f"{at}.bn2"), f"{at}.prelu"), w[f"{at}.conv2.weight"], stride=stride, padding=1)
        if stride == 2:
            x = norm(f.conv2d(x, w[f"{at}.downsample.0.weight"], stride=2), f"{at}.downsample.1")
        return norm(y, f"{at}.bn3") + x

    with torch.inference_mode():
        crops = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(1))
        x = prelu(norm(f.conv2d(crops, w["conv1.weight"], padding=1), "bn1"), "prelu")
        for stage in range(1, 5):
            x = unit(unit(x, f"layer{stage}.0", 2), f"layer{stage}.1", 1)
        assert x.shape == (2, 512, 7, 7)
        wanted = norm(norm(x, "bn2").flatten(1) @ w["fc.weight"].T + w["fc.bias"], "features")
        torch.testing.assert_close(network(crops), wanted, rtol=1e-4, atol=1e-4)


def test_the_last_norm_is_frozen_and_dropout_is_only_for_training():
    torch = pytest.importorskip("torch")
    network = build_iresnet("iresnet18", dropout=0.5)
    assert not network.features.weight.requires_grad
    assert network.features.bias.requires_grad
    torch.testing.assert_close(network.features.weight, torch.ones(512))
    crops = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(network.eval()(crops), network.eval()(crops))
        assert not torch.equal(network.train()(crops), network.train()(crops))


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.base.encoder."])
def test_any_prefix_and_a_classifier_on_top(prefix):
    more = {"classifier.weight": np.ones((7, 512), np.float32), "classifier.bias": np.ones(7, np.float32)}
    counters = {"bn1.num_batches_tracked": np.array(3)}
    tensors = {prefix + key: values for key, values in {**weights_of(), **counters}.items()} | more
    fitted = fit_weights(tensors, "iresnet18", name="w.pth")
    assert fitted.prefix == prefix
    assert fitted.left_out == tuple(more)
    assert list(fitted.weights) == list(weight_shapes("iresnet18"))
    for key, values in fitted.weights.items():
        np.testing.assert_array_equal(values, weights_of()[key])


def test_half_precision_weights_become_float32():
    halves = {key: values.astype(np.float16) for key, values in weights_of().items()}
    fitted = fit_weights(halves, "iresnet18", name="w.pth")
    assert {values.dtype for values in fitted.weights.values()} == {np.dtype(np.float32)}


def test_the_architecture_that_fits_is_named():
    message = refusal(weights_of(), "iresnet50")
    assert "'w.pth' has 2, 2, 2, 2 residual units in its stages, its card declares iresnet50" in message
    assert "that is iresnet18: correct `architecture`" in message
    without = {key: values for key, values in weights_of().items() if not key.startswith("layer2.1")}
    assert "has 2, 1, 2, 2 residual units" in refusal(without)
    assert "known are iresnet18, iresnet34, iresnet50, iresnet100" in refusal(without)


def test_missing_tensors_are_named():
    some = {k: v for k, v in weights_of().items() if not k.startswith(("fc.", "features.", "prelu"))}
    message = refusal(some)
    assert "'w.pth' lacks prelu.weight, fc.weight, fc.bias and 4 more, which iresnet18 needs" in message


def test_other_shapes_are_named():
    changed = {**weights_of(), "fc.weight": np.zeros((256, 25088), np.float32), "prelu.weight": np.zeros(1, np.float32)}
    message = refusal(changed)
    assert "is no iresnet18 (2 tensors of another shape): prelu.weight is (1,), not (64,); fc.weight is" in message


def test_a_network_with_more_layers_is_not_cut_down():
    more = {**weights_of(), "layer1.0.se.fc1.weight": np.ones((4, 64), np.float32)}
    assert "has more than iresnet18: layer1.0.se.fc1.weight; it is another network" in refusal(more)


def test_other_networks_and_several_networks():
    assert "holds no improved ResNet: no tensor 'layer1.0.bn1.weight', but a, b, c and 1 more" in refusal(
        dict.fromkeys("abcd", np.zeros(1))
    )
    twice = {f"{who}.{key}": values for who in ("teacher", "student") for key, values in weights_of().items()}
    assert "holds 2 networks, under 'teacher.', 'student.'; save the state_dict of one" in refusal(twice)


def test_weights_that_are_no_numbers():
    broken = {**weights_of(), "bn2.bias": np.full(512, np.nan, np.float32)}
    assert "bn2.bias holds NaN or infinity" in refusal(broken)
    quantised = {**weights_of(), "conv1.weight": np.zeros((64, 3, 3, 3), np.int8)}
    assert "conv1.weight is int8; floating-point weights are needed" in refusal(quantised)


def test_options():
    with pytest.raises(OptionError, match=r"architecture 'iresnet200'; allowed is one of iresnet18, iresnet34"):
        units_of("iresnet200")
    with pytest.raises(OptionError, match=r"dropout = 1; a share from 0 to below 1 is allowed"):
        build_iresnet("iresnet18", dropout=1)


def test_random_weights_fit_and_repeat():
    first, second = (random_weights("iresnet18", np.random.default_rng(3)) for _ in range(2))
    assert fit_weights(first, "iresnet18", name="random").left_out == ()
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_without_torch_the_command_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    iresnet._network_class.cache_clear()
    with pytest.raises(ModelError, match=r"PyTorch is not installed; install it by `pip install 'deciface\[torch\]'`"):
        build_iresnet("iresnet18")
