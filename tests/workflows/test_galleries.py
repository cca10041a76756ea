"""Which encoder's vectors a gallery is made of when there are several."""

from __future__ import annotations

import pytest

from deciface.errors import OptionError
from deciface.workflows.galleries import chosen_encoders


def choose(there, asked=None):
    said: list[str] = []
    return chosen_encoders(there, asked, where="clinic", say=said.append), said


def test_one_encoder_and_the_members_of_one_ensemble_are_used_whole():
    assert choose(()) == (None, [])
    assert choose(("own",)) == (None, [])
    assert choose(("m0", "m1", "m2")) == (None, [])


def test_of_several_the_default_is_used_and_the_others_are_named():
    assert choose(("deciface-dysmorphic", "dlib-resnet")) == (
        ("dlib-resnet",),
        ["encoder: dlib-resnet; also there and not used: deciface-dysmorphic (choose by --model)"],
    )


def test_without_the_default_the_user_chooses():
    with pytest.raises(
        OptionError, match=r"'clinic' holds vectors of a, b, whose distances cannot be mixed; choose by"
    ):
        choose(("a", "b"))
    assert choose(("a", "b"), ["b"]) == (("b",), [])
    assert choose(("a", "b"), ["b", "a"]) == (("b", "a"), [])


def test_what_is_not_there():
    with pytest.raises(OptionError, match=r"holds no vectors of 'c'; there are a, b\. To have others: deciface import"):
        choose(("a", "b"), ["c"])
