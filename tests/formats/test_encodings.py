from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.cases import Encoding, View
from deciface.errors import (
    InputError,
    MismatchError,
    NothingFoundError,
    OptionError,
    StorageError,
    TableError,
)
from deciface.formats.encodings import SUFFIXES, read_encodings, write_encodings
from deciface.formats.encodings_binary import sealed_parquet

HEADER = "img_name;model;flip;gray;class_conf;representations"
SHA = "ab" * 32


def encoding(
    photo: str = "p1", model: str = "dlib-resnet", *, seed: int = 0, size: int = 6, **view: object
) -> Encoding:
    vector = np.random.default_rng(seed).normal(size=size)
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    return Encoding(photo, SHA, "dlib-150/1", "cd" * 32, View(model, **view), unit)


def assert_same(found: list[Encoding], expected: list[Encoding]) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.photo_id, a.photo_sha256, a.crop_version, a.encoder_sha256, a.view) == (
            b.photo_id,
            b.photo_sha256,
            b.crop_version,
            b.encoder_sha256,
            b.view,
        )
        assert a.vector.dtype == np.float32
        assert a.vector.tobytes() == b.vector.tobytes()


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="@"), min_size=1, max_size=12)


@st.composite
def encoding_lists(draw: st.DrawFn) -> list[Encoding]:
    models = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    photos = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    views = [
        View(m, r, flip=f, grey=g)
        for m in models
        for r in ("face", "eyes")
        for f in (False, True)
        for g in (False, True)
    ]
    chosen = draw(
        st.lists(st.tuples(st.sampled_from(photos), st.sampled_from(views)), min_size=1, max_size=8, unique=True)
    )
    size = draw(st.integers(1, 9))
    found = []
    for photo, view in chosen:
        values = draw(st.lists(st.floats(-1, 1, width=32), min_size=size, max_size=size))
        vector = np.array(values, np.float64)
        vector[draw(st.integers(0, size - 1))] += 3
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        found.append(Encoding(photo, f"sha of {photo}", f"crop of {view.model}", f"net {view.model}", view, unit))
    return found


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(encodings=encoding_lists())
@settings(max_examples=40, deadline=None)
def test_every_bit_comes_back(tmp_path_factory, suffix, encodings):
    path = tmp_path_factory.mktemp("round") / f"x{suffix}"
    write_encodings(encodings, path)
    assert_same(read_encodings(path), encodings)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_extreme_numbers_come_back(tmp_path, suffix):
    vector = np.array([1.0, 1e-10, -1e-45, 1.17549435e-38, -0.0, 1e-3], np.float32)
    given_ = [Encoding("p", SHA, "c", "e", View("m"), vector)]
    write_encodings(given_, tmp_path / f"x{suffix}")
    assert_same(read_encodings(tmp_path / f"x{suffix}"), given_)


def test_csv_has_the_columns_of_gestaltmatcher_arc(tmp_path):
    path = tmp_path / "x.csv"
    write_encodings([encoding("a_b.jpg", flip=True), encoding("a_b.jpg", region="eyes", size=3)], path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert list(rows[0]) == HEADER.split(";")
    assert (rows[0]["img_name"], rows[0]["model"], rows[0]["flip"], rows[0]["gray"]) == (
        "a_b.jpg",
        "dlib-resnet",
        "1",
        "0",
    )
    assert rows[0]["class_conf"] == "[]"
    assert np.array_equal(np.array(json.loads(rows[0]["representations"]), np.float32), encoding(flip=True).vector)
    assert rows[1]["model"] == "dlib-resnet@eyes"
    meta = json.loads((tmp_path / "x.csv.meta.json").read_bytes())
    assert meta["photos"] == {"a_b.jpg": SHA}
    assert meta["models"]["dlib-resnet@eyes"] == {"crop_version": "dlib-150/1", "encoder_sha256": "cd" * 32}


ARC = f"{HEADER}\n12_aligned.jpg;m0;0;1;[0.1, 0.9];[3.0, 4.0]\n12_aligned.jpg;m0;1;0;[];[1, 0]\n"


def test_a_file_of_gestaltmatcher_arc_itself(tmp_path):
    path = tmp_path / "arc.csv"
    path.write_text(ARC)
    first, second = read_encodings(path)
    assert (first.photo_id, first.view) == ("12_aligned.jpg", View("m0", grey=True))
    assert {first.photo_sha256, first.crop_version, first.encoder_sha256} == {"unknown"}
    np.testing.assert_allclose(first.vector, [0.6, 0.8], atol=1e-7)
    assert second.view == View("m0", flip=True)
    assert [e.photo_id for e in read_encodings(path, image_names="until-underscore")] == ["12", "12"]


def test_columns_in_another_order_index_column_byte_order_mark_and_blank_lines(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(
        "\ufeff;gray;flip;model;img_name;representations;class_conf\n0;True;0;m;a;[1];[]\n\n", encoding="utf-8"
    )
    (found,) = read_encodings(path)
    assert (found.photo_id, found.view) == ("a", View("m", grey=True))


def row(name: str = "a", model: str = "m", flip: str = "0", gray: str = "0", values: str = "[1.0, 0.5]") -> str:
    return f"{name};{model};{flip};{gray};[];{values}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"x\.csv, row 1: is empty; the first line must name img_name"),
        (
            "img_name,model\n",
            r"x\.csv, row 1, column 'img_name': missing: img_name, model, flip, gray, class_conf, repr",
        ),
        (
            "img_name;model;flip;gray;class_conf\n",
            r"row 1, column 'representations': missing: representations; the first",
        ),
        (HEADER + ";flip\n", r"row 1, column 'flip': the column stands there twice"),
        (f"{HEADER}\n{row()}a;m;1\n", r"x\.csv, row 3: 3 cells; the header has 6: is the file cut off\?"),
        (f"{HEADER}\n{row(values='[NaN, 1]')}", r"row 2, column 'representations': NaN in the list; finite numbers"),
        (f"{HEADER}\n{row(values='[1, -Infinity]')}", r"row 2, column 'representations': -Infinity in the list"),
        (f"{HEADER}\n{row(values='[1e39, 1]')}", r"column 'representations': holds a number beyond float32"),
        (f"{HEADER}\n{row(values='[1' + '0' * 400 + ']')}", r"column 'representations': holds a number beyond float32"),
        (f"{HEADER}\n{row(values='[0, 0]')}", r"column 'representations': all values are 0"),
        (f"{HEADER}\n{row(values='[]')}", r"column 'representations': empty, or NaN or infinity in it"),
        (f"{HEADER}\n{row(values='1.0')}", r"column 'representations': is no flat list of numbers"),
        (f"{HEADER}\n{row(values='[true]')}", r"column 'representations': is no flat list of numbers"),
        (f"{HEADER}\n{row(values='[[1.0]]')}", r"column 'representations': is no flat list of numbers"),
        (f"{HEADER}\n{row(values='array([1.0])')}", r"column 'representations': is no JSON; a list such as"),
        (f"{HEADER}\n{row(values='[' * 100_000)}", r"column 'representations': is no JSON"),
        (f"{HEADER}\n{row(flip='maybe')}", r"row 2, column 'flip': 'maybe'; allowed are 0 and 1"),
        (f"{HEADER}\n{row(gray='')}", r"row 2, column 'gray': ''; allowed are 0 and 1"),
        (f"{HEADER}\n{row(name='')}", r"row 2: photo, model and region must not be empty"),
        (f"{HEADER}\n{row(model='@eyes')}", r"row 2: photo, model and region must not be empty"),
        (f"{HEADER}\n{row(model='m@')}", r"row 2: photo, model and region must not be empty"),
        (
            f"{HEADER}\n{row()}{row('b')}{row()}",
            r"row 4: photo 'a' in view m/face/straight/colour stands in row 2 already",
        ),
        (f"{HEADER}\n{row()}{row('b', values='[1.0]')}", r"row 3, column 'representations': 1 values; row 2 has 2"),
        (f'{HEADER}\na;m;0;0;[];"[1', r"row 2: is no table \(unexpected end of data\)"),
    ],
)
def test_bad_tables_are_refused_with_file_row_and_column(tmp_path, content, message):
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(TableError, match=message) as caught:
        read_encodings(path)
    assert caught.value.file == "x.csv"
    assert "\n" not in str(caught.value)


def test_other_bytes_than_text_are_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(f"{HEADER}\n{row()}".encode() + b"\xff\xfe;m")
    with pytest.raises(TableError, match=r"x\.csv, row 3: is not UTF-8 text"):
        read_encodings(path)


def test_no_rows_and_no_encodings(tmp_path):
    (tmp_path / "x.csv").write_text(HEADER + "\n")
    with pytest.raises(NothingFoundError, match=r"'x\.csv' has a header and no encodings"):
        read_encodings(tmp_path / "x.csv")
    with pytest.raises(NothingFoundError, match=r"no encodings to write to 'y\.csv'"):
        write_encodings([], tmp_path / "y.csv")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (encoding(), "photo 'p1', view dlib-resnet/face/straight/colour: given twice"),
        (encoding("p2", size=5), "5 values, others have 6 in this view"),
        (Encoding("p1", "other", "dlib-150/1", "cd" * 32, View("n"), encoding().vector), "stands for two pictures"),
        (Encoding("p2", SHA, "c", "e", View("n"), np.ones(3)), r"a vector \(3,\) of float64; \(d,\) float32 is needed"),
        (Encoding("p2", SHA, "c", "e", View("n"), np.ones((1, 3), np.float32)), r"a vector \(1, 3\) of float32"),
        (Encoding("p2", SHA, "c", "e", View("n"), np.full(3, np.nan, np.float32)), "NaN or infinity"),
        (Encoding("p2", SHA, "c", "e", View("n"), np.ones(3, np.float32)), "not of unit length"),
        (Encoding("", SHA, "c", "e", View("n"), encoding().vector), "photo id, model and region must not be empty"),
    ],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_no_file_may_hold_is_not_written(tmp_path, suffix, second, message):
    path = tmp_path / f"x{suffix}"
    with pytest.raises(MismatchError, match=message):
        write_encodings([encoding(), second], path)
    assert not list(tmp_path.iterdir())


def test_what_csv_cannot_say_goes_into_parquet(tmp_path):
    mixed = [encoding(), Encoding("p2", SHA, "dlib-150/2", "cd" * 32, View("dlib-resnet"), encoding().vector)]
    with pytest.raises(MismatchError, match="'dlib-resnet' was made with two encoders or crop versions"):
        write_encodings(mixed, tmp_path / "x.csv")
    odd = [encoding(model="a@b")]
    with pytest.raises(MismatchError, match=r"'@' separates model and region in CSV; rename it or write \.parquet"):
        write_encodings(odd, tmp_path / "x.csv")
    for encodings in (mixed, odd):
        write_encodings(encodings, tmp_path / "x.parquet")
        assert_same(read_encodings(tmp_path / "x.parquet"), encodings)


def test_a_table_changed_behind_its_sidecar_is_refused(tmp_path):
    path, meta = tmp_path / "x.csv", tmp_path / "x.csv.meta.json"
    write_encodings([encoding()], path)
    path.write_text(path.read_text() + row(model="n"))
    with pytest.raises(TableError, match=r"x\.csv\.meta\.json: describes another version of x\.csv"):
        read_encodings(path)
    meta.unlink()
    assert {e.crop_version for e in read_encodings(path)} == {"unknown"}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"format": 1}', b"[" * 100_000, b"null"])
def test_a_damaged_sidecar_is_refused(tmp_path, content):
    path = tmp_path / "x.csv"
    write_encodings([encoding()], path)
    (tmp_path / "x.csv.meta.json").write_bytes(content)
    with pytest.raises(
        TableError, match=r"x\.csv\.meta\.json: is no description of encodings .*; delete x\.csv\.meta\.json"
    ):
        read_encodings(path)


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"format": "x"}, {"photos": {"p1": 5}}, {"models": {"dlib-resnet": {"crop_version": "1"}}}],
)
def test_a_sidecar_of_another_kind_is_refused(tmp_path, change):
    path, side = tmp_path / "x.csv", tmp_path / "x.csv.meta.json"
    write_encodings([encoding()], path)
    side.write_text(json.dumps(json.loads(side.read_text()) | change))
    with pytest.raises(TableError, match=r"has format and version .*, or fields missing"):
        read_encodings(path)


def test_other_suffixes_and_missing_files(tmp_path):
    for act in (lambda p: read_encodings(p), lambda p: write_encodings([encoding()], p)):
        with pytest.raises(
            OptionError, match=r"'x\.pkl' ends in '\.pkl'; encodings are kept in \.csv, \.parquet, \.npz"
        ):
            act(tmp_path / "x.pkl")
    with pytest.raises(InputError, match=r"gone\.npz' cannot be read \(No such file or directory\)"):
        read_encodings(tmp_path / "gone.npz")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failed_write_leaves_the_old_file(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"x{suffix}"
    write_encodings([encoding()], path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"cannot be written \(No space left on device\)"):
        write_encodings([encoding("p2")], path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*"))
    with pytest.raises(StorageError, match="No such file or directory"):
        write_encodings([encoding()], tmp_path / "no folder" / f"x{suffix}")


def test_parquet_of_another_kind_is_refused(tmp_path):
    import polars as pl

    path = tmp_path / "x.parquet"
    for content in (b"", b"PAR1 and so on PAR1", b"deciface-sha256:" + b"0" * 64):
        path.write_bytes(content)
        with pytest.raises(TableError, match=r"x\.parquet: is damaged, or was not written by DeciFace as it is"):
            read_encodings(path)
    forged = b"PAR1 deciface-sha256:" + b"0" * 64 + b" PAR1"
    path.write_bytes(forged.replace(b"0" * 64, hashlib.sha256(forged).hexdigest().encode()))
    with pytest.raises(TableError, match=r"x\.parquet: is no readable Parquet file"):
        read_encodings(path)
    write_encodings([encoding(), encoding("p2", seed=1)], path)
    table = pl.read_parquet(path)
    for changed, message in (
        (table.drop("flip"), "row 1, column 'flip': Boolean is needed; found no such column"),
        (table.with_columns(pl.lit(1).alias("model")), "row 1, column 'model': String is needed; found Int32"),
        (
            table.with_columns(pl.col("vector").cast(pl.List(pl.Float64))),
            "column 'vector': List.* is needed; found List",
        ),
        (table.with_columns(pl.Series("region", ["face", None])), "row 3, column 'region': empty; fill it in"),
        (
            table.with_columns(pl.Series("vector", [[1.0], [None]], dtype=pl.List(pl.Float32))),
            "row 3, column 'vector': empty, or NaN or infinity in it",
        ),
        (pl.concat([table, table]), "row 4: photo 'p1' in view .* stands in row 2 already"),
    ):
        path.write_bytes(sealed_parquet(changed))
        with pytest.raises(TableError, match=message):
            read_encodings(path)


def test_npz_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(b"PK and so on")
    with pytest.raises(TableError, match=r"x\.npz: is no readable NPZ file of plain arrays"):
        read_encodings(path)
    write_encodings([encoding(), encoding("p2", seed=1)], path)
    with np.load(path) as data:
        arrays = dict(data)
    nan = arrays["values"].copy()
    nan[7] = np.nan
    for change, message in (
        ({"grey": None}, "row 1, column 'grey': missing: grey"),
        ({"model": np.array([1, 2])}, "column 'model': a list of kind 'U' is needed; found"),
        ({"values": arrays["values"].astype(np.float64)}, "column 'values': a list of kind 'f' is needed"),
        ({"flip": np.array([True])}, "column 'flip': 1 rows; length has 2"),
        ({"length": np.array([6, 7])}, "column 'length': does not add up to the 12 values"),
        ({"length": np.array([13, -1])}, "column 'length': does not add up to the 12 values"),
        ({"values": nan}, "row 3, column 'values': empty, or NaN or infinity in it"),
        ({"region": np.array(["face", object()], dtype=object)}, "is no readable NPZ file of plain arrays"),
    ):
        np.savez(path, **{k: v for k, v in (arrays | change).items() if v is not None})
        with pytest.raises(TableError, match=message):
            read_encodings(path)


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip, cut, double or insert bytes in a few places."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(0, len(data) + 1))
        match rng.integers(0, 5):
            case 0 if at < len(data):
                data[at] ^= 1 << int(rng.integers(0, 8))
            case 1:
                del data[at : at + int(rng.integers(1, 60))]
            case 2:
                data[at:at] = data[at : at + int(rng.integers(1, 60))]
            case 3:
                data[at:at] = rng.choice([b";", b"\n", b'"', b"[", b"NaN", b"\x00", b"1e999", b"\xff", b"@"])
            case _:
                data = data[:at] or bytearray(b"x")
    return bytes(data)


def fuzz(folder: Path, suffix: str, rounds: int) -> None:
    """Every mutant is read as encodings that hold, or refused in one line."""
    original = folder / f"original{suffix}"
    write_encodings([encoding(f"p_{i}", seed=i, flip=f) for i in range(3) for f in (False, True)], original)
    content, path = original.read_bytes(), folder / f"x{suffix}"
    rng, refused = np.random.default_rng(2026), 0
    for _ in range(rounds):
        path.write_bytes(mutate(content, rng))
        message, found = "", []
        try:
            found = read_encodings(path)
        except (TableError, NothingFoundError) as error:
            message = str(error)
        refused += bool(message)
        assert "\n" not in message
        if found:
            assert all(np.isfinite(e.vector).all() for e in found)
            assert all(abs(np.linalg.norm(e.vector.astype(np.float64)) - 1) < 2e-5 for e in found)
    assert refused > rounds / 4


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_mutated_files(tmp_path, suffix):
    fuzz(tmp_path, suffix, 300)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ten_thousand_mutated_files(tmp_path, suffix):
    fuzz(tmp_path, suffix, 10_000)
