from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.cases import View
from deciface.encoders import (
    GESTALTMATCHER_VIEWS,
    VIEW_NAMES,
    Ensemble,
    Member,
    OnnxEncoder,
    encode_views,
    open_ensemble,
    parse_ensemble,
)
from deciface.encoders.protocol import luminance
from deciface.encoders.views import PHOTOS_AT_ONCE
from deciface.errors import MismatchError, OptionError
from deciface.models import CardView, ModelCard
from tests.encoders.drawing import card, tiny_onnx

CROPS = np.random.default_rng(5).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)


@dataclass
class Counting:
    """An encoder that remembers the batches it was given."""

    card: ModelCard
    batches: list[int] = field(default_factory=list)

    def encode(self, crops):
        self.batches.append(len(crops))
        return OnnxEncoder(tiny_onnx(), self.card).encode(crops)


def member(name: str = "tiny", views=GESTALTMATCHER_VIEWS, alignment: str = "arcface-112") -> Member:
    return Member(Counting(card(id=name, alignment=alignment)), tuple(views))


def test_the_four_views_of_gestaltmatcher_in_its_order():
    names = [str(v) for v in Ensemble((member(),)).views]
    assert names == [
        "tiny/face/straight/colour",
        "tiny/face/straight/grey",
        "tiny/face/flip/colour",
        "tiny/face/flip/grey",
    ]


@given(order=st.permutations(list(VIEW_NAMES.values())), count=st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_every_matrix_belongs_to_its_view(order, count):
    views = tuple(order[:count])
    found = encode_views({"arcface-112": CROPS}, Ensemble((member(views=views),)))
    assert [v for v, _ in found] == [View("tiny", flip=v.flip, grey=v.grey) for v in views]
    for view, matrix in found:
        seen = CROPS[:, :, ::-1] if view.flip else CROPS
        if view.grey:
            grey = np.rint(seen @ np.array([0.299, 0.587, 0.114]))
            seen = np.repeat(grey[..., None], 3, axis=3).astype(np.uint8)
        np.testing.assert_allclose(matrix, OnnxEncoder(tiny_onnx(), card()).encode(seen), atol=1e-5)
        assert matrix.flags.c_contiguous
        assert matrix.dtype == np.float32


def test_all_views_of_a_batch_go_through_an_encoder_in_one_call():
    one = member()
    encode_views({"arcface-112": CROPS}, Ensemble((one,)))
    assert one.encoder.batches == [20]
    many = member()
    crops = np.repeat(CROPS, 14, axis=0)
    found = encode_views({"arcface-112": crops}, Ensemble((many,)))
    assert many.encoder.batches == [4 * PHOTOS_AT_ONCE, 4 * PHOTOS_AT_ONCE, 4 * (70 - 2 * PHOTOS_AT_ONCE)]
    for _, matrix in found:
        assert matrix.shape == (70, 5)
        np.testing.assert_allclose(matrix[::14], matrix[13::14], atol=1e-6)


def test_two_encoders_get_the_crops_of_their_own_templates():
    ensemble = Ensemble((member("a"), member("b", [CardView()], alignment="dlib-150")))
    assert ensemble.alignments == ("arcface-112", "dlib-150")
    found = dict(encode_views({"dlib-150": CROPS[::-1], "arcface-112": CROPS}, ensemble))
    np.testing.assert_allclose(found[View("b")], found[View("a")][::-1], atol=1e-6)


def test_no_photos_give_empty_matrices():
    found = encode_views({"arcface-112": CROPS[:0]}, Ensemble((member(),)))
    assert [matrix.shape for _, matrix in found] == [(0, 5)] * 4


def test_missing_and_unequal_crops_are_refused():
    ensemble = Ensemble((member("a"), member("b", alignment="dlib-150")))
    with pytest.raises(MismatchError, match=r"crops of the template dlib-150 are missing \(given: arcface-112\)"):
        encode_views({"arcface-112": CROPS}, ensemble)
    with pytest.raises(MismatchError, match="different numbers of crops per template"):
        encode_views({"arcface-112": CROPS, "dlib-150": CROPS[:2]}, ensemble)
    with pytest.raises(MismatchError, match=r"a takes \(n, 8, 8, 3\) uint8"):
        encode_views({"arcface-112": CROPS[:, :4], "dlib-150": CROPS}, ensemble)


def test_luminance_is_that_of_bt601():
    primaries = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]]], np.uint8)
    assert luminance(primaries)[0, 0].tolist() == [[76] * 3, [150] * 3, [29] * 3, [255] * 3]


def test_ensembles_by_name():
    assert [m.encoder for m in parse_ensemble("mobilefacenet+dlib-resnet")] == ["mobilefacenet", "dlib-resnet"]
    assert parse_ensemble("dlib-resnet")[0].views is None
    assert parse_ensemble("x: flip , grey")[0].views == (CardView(flip=True), CardView(grey=True))
    assert parse_ensemble("x:gestaltmatcher")[0].views == GESTALTMATCHER_VIEWS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ensemble '': an encoder's name is missing"),
        ("a++b", r"ensemble 'a\+\+b': an encoder's name is missing"),
        ("a+a", r"ensemble 'a\+a': an encoder is named twice"),
        ("a:", "views of a: ''; allowed is each of straight, grey, flip, flip-grey at most once"),
        ("a:sideways", "views of a: 'sideways'; allowed"),
        ("a:flip,flip", "views of a: 'flip,flip'; allowed"),
    ],
)
def test_unreadable_ensembles_are_refused(text, message):
    with pytest.raises(OptionError, match=message):
        parse_ensemble(text)


def test_views_left_out_are_those_of_the_card():
    cards = {"a": card(id="a", views=(CardView(flip=True),)), "b": card(id="b")}
    ensemble = open_ensemble("a+b:grey", lambda name: Counting(cards[name]))
    assert [str(v) for v in ensemble.views] == ["a/face/flip/colour", "b/face/straight/grey"]


def test_an_ensemble_names_each_encoder_and_view_once():
    with pytest.raises(OptionError, match="one or more different encoders"):
        Ensemble((member(), member()))
    with pytest.raises(OptionError, match="given none"):
        Ensemble(())
    with pytest.raises(OptionError, match="tiny: 0 views; name one or more views, each once"):
        member(views=())
    with pytest.raises(OptionError, match="tiny: 2 views; name one or more views, each once"):
        member(views=(CardView(), CardView()))
    with pytest.raises(OptionError, match="tiny declares no alignment"):
        _ = Ensemble((member(alignment=None),)).alignments
