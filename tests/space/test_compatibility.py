"""The published self-match cut: on request only, and what it dropped is said."""

import pytest

from deciface.errors import NoGalleryError, OptionError
from deciface.space import Reason, rank
from deciface.space.compatibility import rank_as_published
from tests.space.test_ranking import FACE, FAR, record
from tests.space.worlds import VIEWS, gallery_of, query_of

ILL = ({"id": "D1", "genes": ("G1",)},)
NEAR = {VIEWS[0]: [1.0, 0.9, 0, 0]}  # 1 - 1 / sqrt(1.81) = 0.257
FURTHER = {VIEWS[0]: [1.0, 1.1, 0, 0]}  # 0.327


def world():
    return gallery_of(
        [
            record("own", "me", FACE),
            record("same1", "twin", FACE, diagnoses=ILL),
            record("same2", "twin", NEAR, diagnoses=ILL),
            record("other", "o", FURTHER),
            record("far", "f", FAR),
        ]
    )


def test_the_cut_hides_a_true_near_match_and_says_how_many_photos_it_dropped():
    answer = rank_as_published(world(), query_of([FACE], "me"))
    assert [h.photo_id for h in answer.ranking.photos] == ["other", "far"]
    assert answer.ranking.disorders == ()
    assert (answer.dropped_photos, answer.dropped_patients) == (2, 1)
    assert {x.photo_id: x.reason for x in answer.ranking.left_out} == {
        "own": Reason.SAME_PATIENT,
        "same1": Reason.SELF_MATCH_CUT,
        "same2": Reason.SELF_MATCH_CUT,
    }
    assert [h.photo_id for h in rank(world(), query_of([FACE], "me")).photos] == ["same1", "same2", "other", "far"]


def test_the_higher_cut_drops_more():
    answer = rank_as_published(world(), query_of([FACE], "me"), cut=0.4)
    assert (answer.dropped_photos, answer.dropped_patients) == (3, 2)


def test_refuses_other_cuts_and_an_empty_rest():
    with pytest.raises(OptionError, match=r"self-match cut 0\.2; published ones are 0\.3 to 0\.4"):
        rank_as_published(world(), query_of([FACE]), cut=0.2)
    with pytest.raises(OptionError, match="at least 1 hit"):
        rank_as_published(world(), query_of([FACE]), top=0)
    with pytest.raises(NoGalleryError, match="rank without the self-match cut"):
        rank_as_published(gallery_of([record("a", "a", FACE)]), query_of([FACE]))
