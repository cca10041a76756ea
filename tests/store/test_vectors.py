"""Vectors go in by the hundred thousand and come out as they were."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import text

from deciface.cases import Encoding, Patient, Photo, View
from deciface.errors import InputError, MismatchError
from deciface.store import engines, tables, vectors
from tests.store.vector_worlds import add_photos, empty_database

ANNA, BEN = (Photo(name, Patient(f"p-{name}"), f"{i}{i}" * 32) for i, name in enumerate(["anna", "ben"], 10))
VIEWS = (View("m"), View("m", flip=True), View("n", "nose", grey=True))


@pytest.fixture
def engine(tmp_path, database):
    with empty_database(tmp_path / "d.sqlite", database) as engine:
        with engines.write(engine) as connection:
            add_photos(connection, [ANNA, BEN])
        yield engine


def encoding(of=ANNA, view=VIEWS[0], vector=(0.6, 0.8), **change):
    made = Encoding(of.id, of.sha256, "crop/1", "e" * 64, view, np.array(vector, np.float32))
    return replace(made, **change)


def store(engine, encodings):
    with engines.write(engine) as connection:
        return vectors.insert_encodings(connection, encodings)


def read(engine, **which):
    with engines.read(engine) as connection:
        return [(e.photo_id, e.view, e.vector.tolist()) for e in vectors.read_encodings(connection, **which)]


def test_what_goes_in_comes_out_by_photo_and_view(engine):
    given = [encoding(of, view, (i, 1)) for i, of in enumerate([BEN, ANNA]) for view in reversed(VIEWS)]
    assert store(engine, iter(given)) == 6
    expected = [(of.id, view, [float(of is ANNA), 1.0]) for of in (ANNA, BEN) for view in VIEWS]
    assert read(engine) == expected
    assert read(engine, models=["n"]) == [expected[2], expected[5]]
    assert read(engine, photo_ids=["ben", "nobody"]) == expected[3:]
    assert read(engine, models=[]) == read(engine, photo_ids=[]) == []
    with engines.read(engine) as connection:
        first = next(vectors.read_encodings(connection))
    assert replace(first, vector=None) == replace(encoding(), vector=None)
    assert first.vector.dtype == np.float32
    assert first.vector.flags.writeable


def test_the_same_again_is_passed_over(engine):
    assert store(engine, [encoding(), encoding()]) == 1
    assert store(engine, [encoding(), encoding(view=VIEWS[1])]) == 1
    rounded = np.array([0.6, 0.8], np.float32) + np.float32(1e-6)
    assert store(engine, [encoding(vector=rounded), encoding(vector=2 * rounded)]) == 0
    assert read(engine)[0][2] == np.array([0.6, 0.8], np.float32).tolist()


def test_zero_is_stored_once_and_is_no_other_vector(engine):
    zero, tilted = encoding(vector=(0.0, 0.0)), encoding(vector=(1.0, 0.0))
    assert store(engine, [zero, zero]) == 1
    assert store(engine, [zero]) == 0
    assert store(engine, [encoding(of=BEN, vector=(-1.0, 0.0))]) == 1
    with pytest.raises(MismatchError, match="another encoding"):
        store(engine, [replace(tilted, photo_id="ben", photo_sha256=BEN.sha256)])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"photo_id": "none"}, InputError, "photo 'none' is not in the workspace; add the photo before its encodings"),
        (
            {"photo_sha256": "zz"},
            MismatchError,
            "photo 'anna' is stored with pixels 101010101010 but its encoding was made from zz; encode the photo again",
        ),
        ({"vector": np.array([1, np.nan], np.float32)}, InputError, r"shape \(2,\) with 1 NaN or infinite numbers"),
        (
            {"vector": np.array([np.inf, -np.inf], np.float32)},
            InputError,
            r"with 2 NaN or infinite numbers; \(d,\) fin",
        ),
        (
            {"vector": np.zeros((1, 2), np.float32)},
            InputError,
            r"photo 'anna', view m/face/straight/colour: a vector of",
        ),
        ({"vector": np.zeros(0, np.float32)}, InputError, r"shape \(0,\)"),
        ({"crop_version": "crop/2"}, MismatchError, r"\(weights eeeeeeeeeeee, crop crop/1\); nothing was stored"),
        (
            {"encoder_sha256": "f" * 64},
            MismatchError,
            "photo 'anna' has another encoding of view m/face/straight/colour",
        ),
        ({"vector": np.array([0.65, 0.76], np.float32)}, MismatchError, "has another encoding of view m/face/straight"),
        ({"vector": np.array([0.6, 0.8, 0], np.float32)}, MismatchError, "has another encoding of view"),
    ],
)
def test_contradictions_are_refused_and_nothing_is_stored(engine, change, error, message):
    store(engine, [encoding()])
    many = (encoding(BEN, View(f"m{i}")) for i in range(1100))  # more than one batch goes before
    with pytest.raises(error, match=message):
        store(engine, [*many, encoding(**change)])
    assert read(engine) == [("anna", VIEWS[0], np.array([0.6, 0.8], np.float32).tolist())]


@pytest.mark.parametrize("apart", [0, 600])
def test_two_encodings_of_one_view_in_one_import_contradict_each_other(engine, apart):
    between = [encoding(BEN, View(f"m{i}")) for i in range(apart)]
    with pytest.raises(MismatchError, match="another encoding of view m/face/straight/colour already"):
        store(engine, [encoding(), *between, encoding(vector=(1.0, 0.0))])
    assert read(engine) == []


def test_an_import_is_not_held_in_memory(engine):
    def many():
        for i in range(4000):
            yield encoding(view=View(f"m{i:05d}"), vector=np.full(512, i + 1.0))

    store(engine, [encoding()])
    tracemalloc.start()
    try:
        assert store(engine, many()) == 4000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6e6  # the vectors alone are 8.2 MB


def test_which_vectors_are_stored(engine):
    given = [encoding(), encoding(view=VIEWS[1], vector=(1, 2, 3)), encoding(BEN, crop_version="crop/2")]
    store(engine, given)
    with engines.read(engine) as connection:
        found = vectors.stored_photos(connection)
        assert vectors.stored_photos(connection, models=["n"]) == {}
    first = vectors.StoredView(VIEWS[0], 2, "e" * 64, "crop/1")
    assert found == {
        "anna": vectors.StoredPhoto(ANNA.sha256, (first, replace(first, view=VIEWS[1], dimensions=3))),
        "ben": vectors.StoredPhoto(BEN.sha256, (replace(first, crop_version="crop/2"),)),
    }


def test_photos_whose_pixels_changed_in_between_have_no_one_hash(engine):
    store(engine, [encoding()])
    with engines.write(engine) as connection:
        connection.execute(tables.photos.update().values(sha256="new"))
        vectors.insert_encodings(connection, [encoding(view=VIEWS[1], photo_sha256="new")])
        assert vectors.stored_photos(connection)["anna"].photo_sha256 == ""


def test_one_matrix_of_all_views(engine):
    store(
        engine,
        [encoding(of, view, (i, j + 1)) for i, of in enumerate([ANNA, BEN]) for j, view in enumerate(VIEWS)],
    )
    with engines.read(engine) as connection:
        found = vectors.matrix(connection, ["ben", "anna"], [VIEWS[2], VIEWS[0]])
        assert vectors.matrix(connection, [], VIEWS).shape == (0, 0)
        assert vectors.matrix(connection, ["ben"], []).shape == (1, 0)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.tolist() == [[1.0, 3.0, 1.0, 1.0], [0.0, 3.0, 0.0, 1.0]]


def test_a_matrix_with_holes_is_refused(engine):
    store(engine, [encoding(), encoding(BEN), encoding(view=VIEWS[1]), encoding(BEN, VIEWS[2], (1, 2, 3))])
    store(engine, [encoding(view=VIEWS[2], vector=(1, 2))])
    with engines.read(engine) as connection:
        with pytest.raises(
            MismatchError, match="'ben' has no encoding of view m/face/flip/colour; encode it with that"
        ):
            vectors.matrix(connection, ["ben", "anna"], VIEWS[:2])
        with pytest.raises(
            MismatchError, match="photo 'ben' lacks one of the views m/face/straight/colour, m/face/flip"
        ):
            vectors.matrix(connection, ["anna", "ben"], VIEWS[:2])
        with pytest.raises(MismatchError, match="or has it in another length than photo 'anna'; encode both with the"):
            vectors.matrix(connection, ["anna", "ben"], VIEWS[2:])


def test_postgresql_can_search_directions_and_keeps_the_vectors(engine):
    given = [encoding(vector=(3e5, 4e5)), encoding(BEN, vector=(0, 0)), encoding(BEN, VIEWS[2], np.ones(16_001))]
    store(engine, given)
    assert [vector for _, _, vector in read(engine)] == [e.vector.tolist() for e in given]
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            query = text("SELECT embedding::text FROM encodings ORDER BY photo_id, model")
            assert connection.execute(query).scalars().all() == ["[0.60009766,0.7998047]", "[0,0]", None]
            connection.execute(text("ALTER TABLE encodings DROP COLUMN embedding"))
            assert vectors.insert_encodings(connection, [encoding(view=VIEWS[1])]) == 1
