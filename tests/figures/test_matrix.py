"""The picture shows what the numbers say: colours, order, size, and it says so when people are simulated."""

import io

import numpy as np
import pytest
from PIL import Image

from deciface.errors import OptionError
from deciface.figures.matrix import Panel, distance_panel, draw_matrices, draw_pairs, rank_panel
from deciface.space.matrices import average_linkage, pair_matrices
from tests.space.cohorts import gallery_of_people


def opened(content):
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB")).astype(int)


def points(n, seed=1):
    where = np.random.default_rng(seed).standard_normal((n, 2))
    return np.linalg.norm(where[:, None] - where[None], axis=2)


def panel(shade):
    return Panel("t", shade, [[""] * len(shade)] * len(shade), ("near", "far"))


def test_near_is_dark_far_is_light_and_the_diagonal_grey():
    shade = np.array([[np.nan, 0.0, 1.0], [0.0, np.nan, 1.0], [1.0, 1.0, np.nan]])
    tree, _ = average_linkage(np.array([[0, 1.0, 9], [1, 0, 9], [9, 9, 0]]))
    pixels = opened(draw_matrices([panel(shade)], tree=tree, order=np.arange(3), labels=list("abc"), title="x"))
    counts = {tuple(c): n for c, n in zip(*np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True), strict=True)}
    cell = 38 * 38
    assert 3 * cell <= counts[217, 217, 217] < 3 * cell + 50  # smoothed letters share the colour here and there
    assert counts[8, 48, 107] >= 2 * cell
    assert counts[247, 251, 255] >= 4 * cell
    assert sum((8, 48, 107)) < sum((247, 251, 255))


def test_rows_and_columns_are_in_the_order_of_the_tree():
    distances = points(40)
    tree, order = average_linkage(distances)
    assert order.tolist() != list(range(40))
    shown = distance_panel(distances)
    sorted_already = distance_panel(distances[np.ix_(order, order)])
    ours = opened(draw_matrices([shown], tree=tree, order=order, labels=[""] * 40, title="x"))
    plain = opened(draw_matrices([sorted_already], tree=tree, order=np.arange(40), labels=[""] * 40, title="x"))
    assert np.array_equal(ours, plain)


@pytest.mark.parametrize("n", [2, 30, 300])
def test_a_cohort_of_any_size_is_drawn(n):
    gallery = gallery_of_people([{}] * (n + 5), seed=n)
    found = pair_matrices(gallery, [f"p{i:03d}" for i in range(n)])
    pixels = opened(draw_pairs(found, title="a cohort", note="note"))
    assert pixels.shape[1] < 1800
    assert pixels.min() < 60  # ink


def test_labels_say_whose_photo_it_is_and_shades_span_the_distances():
    found = pair_matrices(gallery_of_people([{"photos": 2}] * 4, seed=1), ["p000", "p001"])
    shade = distance_panel(found.distances)
    assert np.isnan(np.diagonal(shade.shade)).all()
    assert (np.nanmin(shade.shade), np.nanmax(shade.shade)) == (0.0, 1.0)
    assert shade.texts[0][0] == ""
    assert shade.texts[0][1] == f"{found.distances[0, 1]:.2f}".removeprefix("0")
    assert shade.ends == (f"{found.distances[found.distances > 0].min():.3f}", f"{found.distances.max():.3f}")


def test_refuses_what_nobody_could_see():
    with pytest.raises(OptionError, match="a matrix of 2001 rows cannot be seen"):
        draw_matrices([], tree=np.empty((2000, 4)), order=np.arange(2001), labels=[], title="x")


def test_no_room_is_left_for_an_empty_title_or_note():
    distances = points(3)
    tree, order = average_linkage(distances)
    sizes = [
        opened(
            draw_matrices(
                [distance_panel(distances)], tree=tree, order=order, labels=list("abc"), title=title, note=note
            )
        ).shape[0]
        for title, note in (("t", "n"), ("", "n"), ("", ""))
    ]
    assert sizes[0] > sizes[1] > sizes[2]


def test_ranks_are_shaded_from_the_nearest_to_the_last():
    found = pair_matrices(gallery_of_people([{}] * 6, seed=1), [f"p{i:03d}" for i in range(6)])
    shown = rank_panel(found)
    assert np.isnan(np.diagonal(shown.shade)).all()
    assert (np.nanmin(shown.shade), np.nanmax(shown.shade)) == (0.0, 1.0)
    assert shown.texts[0][1] == str(found.ranks[0, 1])
    assert shown.ends == ("nearest", "rank 4")
