"""Exact int8 matrix-vector products, one thread: the fast first look of a search.

Two kernels give the same integers: `numkong` when the extra ``[search]`` is installed, else the 8-bit product of
`onnxruntime`. A kernel is used only after it has reproduced int64 arithmetic on extreme values in this process (on
processors without VNNI instructions some 8-bit products saturate silently), so that a wrong product is never trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

ROW_BLOCK_BYTES = 512 * 2**20
"""Rows are given to onnxruntime in blocks of at most this many bytes: a model file may not pass 2 GiB."""


class Kernel(Protocol):
    """Products of int8 vectors with many int8 rows."""

    name: str
    two_at_once: bool
    """Whether a second vector costs next to nothing."""

    def products(self, vectors: NDArray[np.int8]) -> NDArray[np.float64]:
        """(k, d) int8 -> (k, n) float64, whole numbers without rounding."""


class NumkongKernel:
    """`numkong.cdist` over int8 rows; reads the rows where they are."""

    name = "numkong int8"
    two_at_once = False

    def __init__(self, rows: NDArray[np.int8]) -> None:
        import numkong

        self._cdist: Callable[..., Any] = numkong.cdist
        self._rows = rows

    def products(self, vectors: NDArray[np.int8]) -> NDArray[np.float64]:
        """(k, d) int8 -> (k, n) float64, whole numbers without rounding."""
        one_by_one = [self._cdist(self._rows, vector[None, :], "dot") for vector in vectors]
        return np.stack([np.asarray(product, dtype=np.float64)[:, 0] for product in one_by_one])


class OnnxKernel:
    """`MatMulInteger` of onnxruntime with the rows packed as a constant; unsigned by signed, one thread."""

    name = "onnxruntime int8"
    two_at_once = True

    def __init__(self, rows: NDArray[np.int8]) -> None:
        block = max(1, ROW_BLOCK_BYTES // max(1, rows.shape[1]))
        self._sessions = [_integer_product(rows[i : i + block]) for i in range(0, len(rows), block)]

    def products(self, vectors: NDArray[np.int8]) -> NDArray[np.float64]:
        """(k, d) int8 -> (k, n) float64, whole numbers without rounding."""
        shifted = (vectors.astype(np.int16) + 128).astype(np.uint8)
        parts = [session.run(None, {"vectors": shifted})[0] for session in self._sessions]
        return np.concatenate(parts, axis=1).astype(np.float64)


def _integer_product(rows: NDArray[np.int8]) -> Any:  # noqa: ANN401 - onnxruntime has no types
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    n, d = rows.shape
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["vectors", "rows", "middle"], ["products"])],
        "products",
        [helper.make_tensor_value_info("vectors", TensorProto.UINT8, ["k", d])],
        [helper.make_tensor_value_info("products", TensorProto.INT32, ["k", n])],
        [
            numpy_helper.from_array(np.ascontiguousarray(rows.T), "rows"),
            numpy_helper.from_array(np.array(128, np.uint8), "middle"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


KERNELS: Sequence[Callable[[NDArray[np.int8]], Kernel]] = (NumkongKernel, OnnxKernel)
"""Fastest first."""

_trusted: dict[tuple[str, int], bool] = {}


def is_exact(build: Callable[[NDArray[np.int8]], Kernel], dimensions: int) -> bool:
    """Whether a kernel reproduces int64 arithmetic on extreme and random values of this length.

    Parameters
    ----------
    build
        Makes the kernel from (n, d) int8 rows.
    dimensions
        d of the search at hand: kernels choose their loops by it.
    """
    rng = np.random.default_rng(0)
    rows = rng.integers(-127, 128, (80, dimensions), dtype=np.int8)
    rows[0], rows[1], rows[2, ::2] = 127, -127, 127
    vectors = np.stack([np.full(dimensions, 127, np.int8), np.full(dimensions, -127, np.int8), rows[3]])
    truth = vectors.astype(np.int64) @ rows.T.astype(np.int64)
    try:
        kernel = build(rows)
        one, two = kernel.products(vectors[:1]), kernel.products(vectors[1:])
    except (ImportError, RuntimeError, TypeError, ValueError):
        return False
    return np.array_equal(np.concatenate([one, two]), truth)


def best_kernel(rows: NDArray[np.int8]) -> Kernel | None:
    """Find the fastest kernel that is installed and exact here, ready for these rows, or None.

    Parameters
    ----------
    rows
        (n, d) int8 in -127..127, C-contiguous.
    """
    for build in KERNELS:
        key = (str(getattr(build, "name", build)), rows.shape[1])
        if key not in _trusted:
            _trusted[key] = is_exact(build, rows.shape[1])
        if _trusted[key]:
            return build(rows)
    return None
