import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.errors import OptionError
from deciface.faces.align import TEMPLATES, similarity, template


@given(
    st.floats(-180, 180),
    st.floats(0.05, 20),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_similarity_recovers_a_planted_similarity(angle_deg, scale, shift):
    rng = np.random.default_rng(5)
    source = rng.normal(0, 40, (5, 2))
    c, s = scale * np.cos(np.radians(angle_deg)), scale * np.sin(np.radians(angle_deg))
    target = source @ np.array([[c, -s], [s, c]]).T + shift
    m = similarity(source, target)
    assert np.allclose(source @ m[:, :2].T + m[:, 2], target, atol=1e-6 * max(1, scale) * 100)


def test_similarity_never_reflects():
    source = np.array([[0, 0], [1, 0], [0, 1], [2, 2.0]])
    m = similarity(source, source * [-1, 1])
    assert np.linalg.det(m[:, :2]) >= 0


def test_similarity_is_least_squares():
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    m = similarity(source, target)

    def loss(a, b, x, y):
        return ((source @ np.array([[a, -b], [b, a]]).T + [x, y] - target) ** 2).sum()

    best = loss(m[0, 0], m[1, 0], *m[:, 2])
    for step in rng.normal(0, 0.01, (200, 4)):
        assert loss(m[0, 0] + step[0], m[1, 0] + step[1], m[0, 2] + step[2], m[1, 2] + step[3]) >= best


def test_arcface_template_is_the_published_one():
    assert TEMPLATES["arcface-112"].targets_px[0] == (38.2946, 51.6963)
    assert TEMPLATES["arcface-112"].version == "arcface-112/1"


def test_unknown_template_names_those_there_are():
    with pytest.raises(OptionError, match="'arcface-113' is not known; allowed are arcface-112, dlib-150"):
        template("arcface-113")


def test_cards_may_name_every_template_and_no_other():
    from deciface.models import ALIGNMENTS

    assert {name: t.size_px for name, t in TEMPLATES.items()} == {name: size for name, (size, _) in ALIGNMENTS.items()}
