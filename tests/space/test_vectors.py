"""The int8 look and the float32 look: intervals that hold, and kernels that are checked before they are trusted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.space import kernels
from deciface.space.groups import Groups
from deciface.space.nearest import Table, _candidates, nearest
from deciface.space.vectors import Block, Look, Vectors, unit_rows

BUILDERS = [kernels.NumkongKernel, kernels.OnnxKernel]


def made(rng, n, sizes, common):
    """Unit rows of several views, sharing `common` of a mean face."""
    blocks, start = [], 0
    matrix = np.empty((n, sum(sizes)), np.float32)
    for size in sizes:
        raw = rng.standard_normal((n, size)) * rng.choice([1e-3, 1.0], size) + common * rng.standard_normal(size)
        unit_rows(raw.astype(np.float32), matrix[:, start : start + size])
        blocks.append(Block(start, start + size))
        start += size
    return Vectors(matrix, blocks)


def query_for(rng, vectors, used):
    query = np.zeros(vectors.matrix.shape[1])
    row = vectors.matrix[rng.integers(len(vectors))] + 0.05 * rng.standard_normal(len(query))
    for b in used:
        block = vectors.blocks[b]
        part = row[block.start : block.stop]
        query[block.start : block.stop] = part / np.linalg.norm(part) * rng.uniform(0.3, 1)
    return query


@pytest.fixture(params=[*BUILDERS, None], ids=["numkong", "onnxruntime", "float32"])
def kernel(request, monkeypatch):
    if request.param is kernels.NumkongKernel:
        pytest.importorskip("numkong")
    monkeypatch.setattr("deciface.space.vectors.SMALL_BYTES", 0)
    monkeypatch.setattr(kernels, "KERNELS", [request.param] if request.param else [])
    return request.param.name if request.param else "float32"


SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), sizes=SIZES, n=st.integers(1, 60), common=st.floats(0, 5))
def test_every_row_lies_within_its_interval(seed, sizes, n, common):
    rng = np.random.default_rng(seed)
    for builders in ([kernels.OnnxKernel], []):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("deciface.space.vectors.SMALL_BYTES", 0)
            patch.setattr(kernels, "KERNELS", builders)
            vectors = made(rng, n, sizes, common)
            used = sorted(rng.choice(len(sizes), rng.integers(1, len(sizes) + 1), replace=False).tolist())
            query = query_for(rng, vectors, used)
            exact = vectors.exact(query, used, np.arange(n))
            first = vectors.look(query, used)
            closer = vectors.look_closer(query, used, first)
            assert np.all(np.abs(exact - first.estimate) <= first.error)
            assert np.all(np.abs(exact - closer.estimate) <= closer.error)
            assert [first.by, closer.by] == (
                ["onnxruntime int8", "onnxruntime int8 twice"] if builders else ["float32"] * 2
            )
            long = 1 - (vectors.matrix.astype(np.longdouble) @ query.astype(np.longdouble)) / len(used)
            np.testing.assert_allclose(exact, long.astype(float), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("n", "sizes", "common"), [(3000, [96], 0.0), (3000, [64, 128], 2.0), (5000, [32] * 6, 0.5), (2000, [2000], 0.0)]
)
def test_search_finds_what_a_full_sort_finds(kernel, n, sizes, common):
    rng = np.random.default_rng(1)
    vectors = made(rng, n, sizes, common)
    vectors.matrix[10] = vectors.matrix[20]  # a tie
    members = rng.integers(0, 300, n)
    groups = Groups.of([[f"g{m:03d}", f"h{m % 7}"] if m % 5 else [] for m in members])
    used = tuple(range(len(sizes)))
    for trial in range(8):
        query = query_for(rng, vectors, used)
        excluded = np.unique(rng.integers(0, n, 20)) if trial % 2 else np.empty(0, np.intp)
        rows = np.arange(n) if trial < 4 else np.sort(rng.choice(n, n // 3, replace=False))
        if trial >= 4:
            excluded = excluded[excluded < len(rows)]
            part = Groups.of([[f"g{m:03d}", f"h{m % 7}"] if m % 5 else [] for m in members[rows]])
        else:
            part = groups
        found = nearest(Table(vectors, rows, (part,)), query, used=used, top=15, excluded=excluded)
        assert vectors.searched_by == kernel
        truth = np.round(vectors.exact(query, used, rows), 6) + 0.0
        truth[excluded] = np.inf
        order = np.lexsort((np.arange(len(rows)), truth))[:15]
        assert found.rows[:15].tolist() == order.tolist()
        assert found.distances[:15].tolist() == truth[order].tolist()
        best = sorted((truth[part.rows(g)].min(), g) for g in range(len(part)))[:15]
        mine = {}
        for row, distance in zip(found.rows.tolist(), found.distances.tolist(), strict=True):
            for g in part.of_row.get(row, ()):
                mine.setdefault(g, distance)
        assert sorted((d, g) for g, d in mine.items())[:15] == best
        assert len(found.rows) < len(rows) / 2


@pytest.mark.parametrize("top", [1, 5, 40])
@pytest.mark.parametrize("seed", range(10))
def test_no_row_of_the_answer_is_ruled_out_when_errors_are_as_large_as_they_can_be(seed, top):
    rng = np.random.default_rng(seed)
    n = 3000
    truth, error = rng.uniform(0.2, 1.8, n), rng.uniform(0, 0.05, n)
    estimate = truth + error * rng.choice([-1, 1], n)
    groups = Groups.of([[f"g{m}"] for m in rng.integers(0, 200, n)])
    excluded = np.unique(rng.integers(0, n, 30))
    vectors = Vectors(np.ones((n, 1), np.float32), [Block(0, 1)])
    table = Table(vectors, np.arange(n), (groups,))
    kept = set(_candidates(table, Look(estimate, error, "any"), top=top, excluded=excluded).tolist())
    truth[excluded] = np.inf
    assert set(np.argsort(truth)[:top].tolist()) <= kept
    nearest_of_group = [groups.rows(g)[np.argmin(truth[groups.rows(g)])] for g in range(len(groups))]
    nearest_of_group.sort(key=lambda row: truth[row])
    assert {int(row) for row in nearest_of_group[:top]} <= kept
    assert not kept & set(excluded.tolist())
    assert len(kept) < n / 3


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("dimensions", [1, 63, 128, 512, 6144])
def test_installed_kernels_are_exact(build, dimensions):
    if build is kernels.NumkongKernel:
        pytest.importorskip("numkong")
    assert kernels.is_exact(build, dimensions)


def test_the_closer_look_is_far_closer(kernel):
    if kernel == "float32":
        pytest.skip("there is no closer look at float32 products")
    rng = np.random.default_rng(0)
    vectors = made(rng, 300, [256], 0.3)
    query = query_for(rng, vectors, [0])
    look = vectors.look(query, [0])
    closer = vectors.look_closer(query, [0], look)
    assert np.median(look.error) > 50 * np.median(closer.error)


def test_onnx_rows_in_several_blocks_give_the_same(monkeypatch):
    rows = np.random.default_rng(0).integers(-127, 128, (1000, 16), dtype=np.int8)
    whole = kernels.OnnxKernel(rows).products(rows[3:5])
    monkeypatch.setattr(kernels, "ROW_BLOCK_BYTES", 16 * 300)
    assert np.array_equal(kernels.OnnxKernel(rows).products(rows[3:5]), whole)
    assert whole[0, 3] == (rows[3].astype(int) ** 2).sum()


def test_a_saturating_or_missing_kernel_is_passed_over(monkeypatch):
    class Saturating(kernels.OnnxKernel):
        name = "saturating"

        def products(self, vectors):
            return np.clip(super().products(vectors), -32768, 32767)

    def missing(rows):
        raise ImportError

    monkeypatch.setattr(kernels, "KERNELS", [missing, Saturating])
    assert kernels.best_kernel(np.ones((4, 600), np.int8)) is None
    monkeypatch.setattr(kernels, "KERNELS", [missing, Saturating, kernels.OnnxKernel])
    found = kernels.best_kernel(np.ones((4, 600), np.int8))
    assert found is not None
    assert found.name == "onnxruntime int8"


@pytest.mark.parametrize(
    "matrix", [np.ones((3, 4)), np.asfortranarray(np.ones((3, 4), np.float32)), np.ones(4, np.float32)]
)
def test_refuses_what_would_be_converted_silently(matrix):
    with pytest.raises(TypeError, match="a C-contiguous float32 matrix is needed"):
        Vectors(matrix, [Block(0, 4)])


def test_unit_rows_handles_huge_and_tiny_and_names_bad_rows():
    rows = np.array([[3e38, 0], [1e-45, 0], [0, 0], [np.nan, 1], [np.inf, 1], [3, 4]], np.float32)
    out = np.empty_like(rows)
    assert unit_rows(rows, out).tolist() == [2, 3, 4]
    np.testing.assert_allclose(out[[0, 1, 5]], [[1, 0], [1, 0], [0.6, 0.8]], rtol=1e-6)
