"""Cards: every problem is named, at once, in one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.errors import ModelError
from deciface.models import ALIGNMENTS, CardView, Colour, Kind, card_fields, card_from, shipped_cards
from deciface.models.card import read_card_fields
from deciface.models.store import packaged_file
from tests.models.networks import CARD

FULL = {**CARD, "file": "tiny.onnx", "sha256": "0" * 64, "bytes": 10}


def refusal(fields):
    with pytest.raises(ModelError) as caught:
        card_from(fields, origin="card 'x.yaml'")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_good_card():
    card = card_from(FULL, origin="x")
    assert card.kind is Kind.FACE_ENCODER
    assert card.colour is Colour.RGB
    assert card.input_px == (112, 112)
    assert card.std == (127.5, 127.5, 127.5)
    assert card.views == (CardView(),)
    assert card.required is False
    assert card.source is None


def test_cards_survive_being_written():
    for card in [*shipped_cards(), card_from(FULL, origin="x")]:
        assert card_from(card_fields(card), origin="again") == card


def test_shipped_cards_are_complete():
    cards = {card.id: card for card in shipped_cards()}
    cards = {card.id: card for card in shipped_cards()}
    assert set(cards) == {
        *("mediapipe-face-short", "mediapipe-face-full", "mediapipe-mesh", "mediapipe-iris"),
        *("dlib-resnet", "dlib-landmarks-5", "yunet", "deciface-dysmorphic"),
    }
    assert {id_ for id_, card in cards.items() if card.required} == {
        *("mediapipe-face-short", "mediapipe-face-full", "mediapipe-mesh", "mediapipe-iris", "dlib-resnet")
    }
    resnet = cards["dlib-resnet"]
    assert (resnet.alignment, resnet.input_px, resnet.dimensions) == ("dlib-150", ALIGNMENTS["dlib-150"], 128)
    assert len({card.sha256 for card in cards.values()}) == len(cards)
    packaged = {id_ for id_, card in cards.items() if packaged_file(card)}
    assert packaged == {"deciface-dysmorphic"}, "our own, and nobody else's weights"
    for card in cards.values():
        assert card.source is None or card.source.member.endswith("/" + card.file)


def test_missing_unknown_and_wrong_fields_are_all_named():
    fields = {**FULL, "colour": "rbg", "liscence": "x", "bytes": "many"}
    del fields["licence"], fields["mean"]
    message = refusal(fields)
    assert message.startswith("card 'x.yaml': missing: mean, licence; unknown: 'liscence'; ")
    assert "bytes is 'many', allowed is a whole number of at least 1" in message
    assert "colour is 'rbg', allowed is one of rgb, bgr, grey" in message
    assert message.endswith("see the example in docs/models.md")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("id", "../up", "2 to 63 small letters"),
        ("id", 7, "2 to 63 small letters"),
        ("file", "a/b.onnx", "a file name without folders"),
        ("file", "..", "a file name without folders"),
        ("sha256", "ABC", "64 hexadecimal digits"),
        ("input_px", [112], "[width, height] in px"),
        ("input_px", [112, -1], "a whole number of at least 0"),
        ("mean", [1, "2", 3], "a list of one number per channel"),
        ("std", [float("nan")] * 3, "a list of one number per channel"),
        ("alignment", [], "null or one of arcface-112, dlib-150"),
        ("alignment", "mine", "null or one of arcface-112, dlib-150"),
        ("dimensions", True, "a whole number of at least 1"),
        ("views", [{"flip": 1}], "a list of {flip: true|false, grey: true|false}"),
        ("views", [{}, {}], "each once"),
        ("views", {"flip": True}, "a list of"),
        ("licence", " ", "a text that is not empty"),
        ("required", "yes", "true or false"),
        ("source", {"package": "x"}, "null or a mapping of package"),
        ("kind", ["mesh"], "one of detector, mesh"),
    ],
)
def test_a_wrong_field_says_what_is_allowed(field, value, said):
    message = refusal({**FULL, field: value})
    assert f"{field} is " in message
    assert said in message


def test_numbers_too_long_to_spell():
    assert "bytes is a huge number, allowed is a whole number of at least 1" in refusal({**FULL, "bytes": -(16**5000)})
    assert "mean is a huge number, allowed is a list of one" in refusal({**FULL, "mean": [16**5000, 0, 0]})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channels": 1}, "channels is 1, but colour rgb has 3"),
        ({"mean": [0]}, "mean has 1 numbers for 3 channels"),
        ({"std": [1, 0, 1]}, "std must be above 0"),
        ({"alignment": None}, "a face-encoder needs an alignment, one of arcface-112, dlib-150"),
        ({"input_px": [160, 160]}, "input_px is [160, 160], but arcface-112 gives [112, 112]"),
        ({"views": []}, "a face-encoder needs at least one view"),
    ],
)
def test_fields_that_contradict_each_other(changes, said):
    assert said in refusal({**FULL, **changes})


def test_what_is_no_card():
    assert "is no model card; it needs the fields id, name" in refusal(["a", "list"])
    assert "is no model card" in refusal(None)


def test_files_that_are_no_card(tmp_path):
    path = tmp_path / "card.yaml"
    for content, said in [
        (b"id: [unclosed", "is not YAML"),
        (b"\xff\xfe\xff", "is not YAML"),
        (b"!!python/object/apply:os.system ['true']", "is not YAML"),
        (b"[" * 5000, "is not YAML"),
        (b"# " + b"x" * 70_000, "has more than 64 KiB"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ModelError, match=said):
            read_card_fields(path)
    with pytest.raises(ModelError, match=r"cannot be read .No such file"):
        read_card_fields(tmp_path / "none.yaml")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@given(
    st.sampled_from(sorted(FULL)),
    SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=4), SCALARS),
)
def test_any_value_in_any_field_is_taken_or_refused(field, value):
    try:
        card = card_from({**FULL, field: value}, origin="x")
    except ModelError as error:
        message = str(error)
    else:
        message = card.id
    assert message
    assert "\n" not in message
