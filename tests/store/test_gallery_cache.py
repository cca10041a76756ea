"""A gallery from the cache is the gallery of the database, whatever happened to the files."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, update

from deciface.cases import Encoding, View
from deciface.errors import DeciFaceError, InputError, MismatchError, NoGalleryError, StorageError
from deciface.space import Gallery, Query, Rule, rank
from deciface.store import audit, engines, gallery_cache, gallery_file, photo_rows, tables, vectors, versions
from tests.space.worlds import encodings, photo_of, query_of, worlds
from tests.store.caching import encoding_of, grow, opened, photo
from tests.store.vector_worlds import AT, add_photos, empty_database

VIEWS = (View("m"), View("m", flip=True))


@pytest.fixture
def engine(tmp_path, database):
    with empty_database(tmp_path / "d.sqlite", database) as engine:
        yield engine


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "ws" / "cache"


def add(engine, photos, made):
    with engines.write(engine) as connection:
        add_photos(connection, photos)
        vectors.insert_encodings(connection, made)
        versions.count_up(connection)


def remove(engine, photo_ids):
    with engines.write(engine) as connection:
        connection.execute(delete(tables.encodings).where(tables.encodings.c.photo_id.in_(photo_ids)))
        connection.execute(delete(tables.photos).where(tables.photos.c.id.in_(photo_ids)))
        versions.count_up(connection)


def encode_again(engine, made):
    with engines.write(engine) as connection:
        ids = [e.photo_id for e in made]
        connection.execute(delete(tables.encodings).where(tables.encodings.c.photo_id.in_(ids)))
        vectors.insert_encodings(connection, made)
        versions.count_up(connection)


def built(engine, *, models=None, photos=None):
    """The gallery without a cache."""
    with engines.read(engine) as connection:
        shown = photo_rows.read_photos(connection) if photos is None else photos
        made = list(vectors.read_encodings(connection, models=models, photo_ids=[p.id for p in shown]))
        encoded = {e.photo_id for e in made}
        if not encoded:
            by = f" by {', '.join(sorted(models))}" if models else ""
            raise NoGalleryError(f"the workspace has no photo encoded{by}; import photos first")
        return Gallery.build([p for p in shown if p.id in encoded], made)


def outcome(what, *arguments, **options):
    """What a call returns, or what it says when it refuses."""
    try:
        return what(*arguments, **options)
    except DeciFaceError as error:
        return type(error), str(error)


def assert_same(gallery, expected, queries=(), own_patient=None):
    if isinstance(expected, tuple):
        assert gallery == expected
        return
    assert gallery.photos == expected.photos
    assert gallery.views == expected.views
    assert gallery.dropped_views == expected.dropped_views
    assert gallery.encoder_sha256 == expected.encoder_sha256
    assert gallery.crop_version == expected.crop_version
    assert gallery.composition() == expected.composition()
    assert gallery.digest == expected.digest
    for rule in (Rule.NEAREST_IMAGE, Rule.PATIENT_MEAN, Rule.DISORDER_CENTROID) if queries else ():
        query = query_of(queries, own_patient)
        assert outcome(rank, gallery, query, rule=rule) == outcome(rank, expected, query, rule=rule)


def encoding(of, view=VIEWS[0], vector=(0.6, 0.8), **change):
    made = Encoding(of.id, of.sha256, "crop/1", "e" * 64, view, np.array(vector, np.float32))
    return replace(made, **change)


def index_of(cache, models=None):
    found = gallery_file.load(cache, gallery_file.key_of(models))
    assert found is not None
    return found.index


def matrices(cache):
    return sorted(path.name for path in cache.glob("*.npy"))


def statements(engine):
    """What is asked of the encodings from now on: (statement, parameters)."""
    asked = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(connection, cursor, statement, parameters, context, executemany):
        if "encodings" in statement:
            asked.append((statement, parameters))

    return asked


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("template") / "d.sqlite"
    with empty_database(path) as engine, engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@given(worlds(), st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_answers_as_a_gallery_that_was_built(tmp_path_factory, template, world, data):
    records, queries, own_patient = world
    root = tmp_path_factory.mktemp("world")
    shutil.copy(template, root / "d.sqlite")
    engine, cache = engines.sqlite_engine(root / "d.sqlite"), root / "cache"
    people = {}
    photos = {}
    for r in records:  # facts of a patient are stored once
        first = people.setdefault(r["patient"], photo_of(r))
        same = {"patient": first.patient, "diagnoses": first.diagnoses, "unaffected": first.unaffected}
        photos[r["id"]] = replace(photo_of(r), **same)
    made = {r["id"]: encodings(r["id"], r["pixels"], r["vectors"]) for r in records}
    first = data.draw(st.integers(1, len(records)), "stored at first")

    def check(shown=None, models=None):
        expected = outcome(built, engine, models=models, photos=shown)
        assert_same(outcome(opened, engine, cache, models=models, shown=shown), expected, queries, own_patient)

    try:
        add(engine, [photos[r["id"]] for r in records[:first]], [e for r in records[:first] for e in made[r["id"]]])
        check()
        for r in records[first:]:
            add(engine, [photos[r["id"]]], made[r["id"]])
            if data.draw(st.booleans(), "opened in between"):
                outcome(opened, engine, cache)
        check()
        models = data.draw(st.sampled_from([None, ["m"], ["other"], ["other", "m"]]), "models")
        check(models=models)
        allowed = data.draw(st.lists(st.sampled_from(sorted(photos)), min_size=1, unique=True), "allowed")
        check([photos[i] for i in allowed], models)
        gone = data.draw(st.sampled_from(sorted(photos)), "erased")
        remove(engine, [gone])
        gallery_cache.forget(cache, [gone])
        check()
    finally:
        engine.dispose()
        shutil.rmtree(root)


def test_a_cached_gallery_reads_no_vector_and_an_added_photo_reads_only_its_own(engine, cache):
    for i in range(3):
        grow(engine, cache, i)
    file, asked = index_of(cache).file, statements(engine)
    gallery = opened(engine, cache)
    assert asked == []
    assert not gallery.vectors.matrix.flags.writeable
    assert gallery.vectors.matrix.flags.aligned
    digest = gallery.digest
    later = grow(engine, cache, 3)
    read = [str(parameters) for statement, parameters in asked if "encodings.vector " in statement]
    assert any("photo003" in parameters for parameters in read)
    assert not any(photo(i).id in parameters for parameters in read for i in range(3))
    assert index_of(cache).file == file, "the file was made anew"
    assert gallery.digest == digest, "rows changed under whoever reads them"
    assert_same(later, built(engine))
    assert np.load(cache / file).shape == (4, 2048)
    assert (cache / file).stat().st_mode & 0o077 == 0


def test_photos_that_may_not_be_seen_stay_out_and_none_at_all_is_said(engine, cache):
    for i in range(3):
        grow(engine, cache, i)
    with engines.write(engine) as connection:
        add_photos(connection, [photo(3)])  # not encoded
        versions.count_up(connection)
    assert [p.id for p in opened(engine, cache, shown=[photo(3), photo(2), photo(0)]).photos] == [
        "photo000",
        "photo002",
    ]
    for nobody, models, said in (([photo(3)], None, "encoded; import"), ([], ["a", "m"], "encoded by a, m; import")):
        with pytest.raises(NoGalleryError, match=f"the workspace has no photo {said} photos first"):
            opened(engine, cache, shown=nobody, models=models)
    with pytest.raises(NoGalleryError, match="no photo encoded by other; import photos first"):
        opened(engine, cache, models=["other"])
    with pytest.raises(InputError, match="photo 'photo001' is in the gallery 2 times"):
        opened(engine, cache, shown=[photo(1), photo(1)])


def test_views_that_some_lack_are_dropped_and_come_back(engine, cache):
    anna, ben = photo(0), photo(1)
    add(engine, [anna], [encoding(anna), encoding(anna, VIEWS[1], (1, 2, 3))])
    assert opened(engine, cache).views == VIEWS
    add(engine, [ben], [encoding(ben, vector=(3, 4))])
    gallery = opened(engine, cache)
    assert (gallery.views, gallery.dropped_views) == (VIEWS[:1], VIEWS[1:])
    assert_same(gallery, built(engine))
    asked = statements(engine)
    assert opened(engine, cache, shown=[anna]).views == VIEWS
    assert opened(engine, cache, shown=[ben]).vectors.matrix.tolist() == [np.float32([0.6, 0.8]).tolist()]
    assert asked == [], "the cache could have told"
    add(engine, [], [encoding(ben, VIEWS[1], (3, 2, 1))])
    assert_same(opened(engine, cache), built(engine))
    assert opened(engine, cache).views == VIEWS


REFUSED = {
    "weights": {"encoder_sha256": "f" * 64},
    "crop": {"crop_version": "crop/2"},
    "length": {"vector": np.ones(3, np.float32)},
    "zero": {"vector": np.zeros(2, np.float32)},
    "views": {"view": VIEWS[1]},
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=list(REFUSED))
def test_what_a_built_gallery_refuses_is_refused_in_the_same_words(engine, cache, change):
    anna, ben = photo(0), photo(1)
    add(engine, [anna, ben], [encoding(anna), encoding(ben, **change)])
    refused = outcome(built, engine)
    assert refused[0] in (InputError, MismatchError)
    for _ in range(2):
        assert outcome(opened, engine, cache) == refused
    assert_same(opened(engine, cache, shown=[anna]), built(engine, photos=[anna]))
    other = replace(anna, sha256="other pixels")
    refused = outcome(built, engine, photos=[other])
    assert "has pixels other pixels but its encoding was made from" in refused[1]
    assert outcome(opened, engine, cache, shown=[other]) == refused


def test_a_zero_in_a_view_that_is_not_compared_does_no_harm(engine, cache):
    anna, ben = photo(0), photo(1)
    add(engine, [anna, ben], [encoding(anna), encoding(anna, VIEWS[1], (0, 0)), encoding(ben)])
    assert_same(opened(engine, cache), built(engine))
    assert index_of(cache).undirected == ((1, 1),)
    asked = statements(engine)
    opened(engine, cache)
    assert asked == [], "the cache could have told"


def test_one_view_in_two_lengths_is_refused_beside_one_that_fits(engine, cache):
    anna, ben = photo(0), photo(1)
    fits = [encoding(anna), encoding(ben)]
    add(engine, [anna, ben], [*fits, encoding(anna, VIEWS[1], (1, 2)), encoding(ben, VIEWS[1], (1, 2, 3))])
    refused = outcome(built, engine)
    assert "has vectors of shape (2,) in photo 'photo000', (3,) in photo 'photo001'" in refused[1]
    assert outcome(opened, engine, cache) == refused


def test_an_encoding_made_again_gets_a_new_row_and_the_old_one_stays_as_it_was(engine, cache):
    photos = [photo(i) for i in range(8)]
    add(engine, photos, [encoding(p, vector=(i, 1)) for i, p in enumerate(photos)])
    before = opened(engine, cache)
    digest, file = before.digest, index_of(cache).file
    encode_again(engine, [encoding(photos[2], vector=(-1, 0), encoder_sha256="f" * 64)])
    assert outcome(opened, engine, cache) == outcome(built, engine)
    assert len(index_of(cache)) == 9
    encode_again(engine, [encoding(p, vector=(-1, i)) for i, p in enumerate(photos[2:3])])
    assert_same(opened(engine, cache), built(engine))
    assert before.digest == digest
    assert index_of(cache).file == file
    assert len(index_of(cache)) == 10
    assert gallery_cache.forget(cache, [photos[2].id]) == 3, "rows that are no longer read hold vectors too"
    assert not np.load(cache / file)[[2, 8, 9]].any()


def test_a_file_with_many_rows_out_of_use_is_written_anew(engine, cache):
    for i in range(8):
        grow(engine, cache, i)
    before, file = opened(engine, cache), index_of(cache).file
    digest = before.digest
    remove(engine, [photo(i).id for i in range(3)])
    assert_same(opened(engine, cache), built(engine))
    assert index_of(cache).file != file
    assert matrices(cache) == [index_of(cache).file]
    assert before.digest == digest


def traces(folder, made):
    """Files that hold a vector, as it was given or of unit length."""
    given = made.vector.astype(np.float64)
    wanted = [made.vector.tobytes(), (given / np.sqrt(given @ given)).astype(np.float32).tobytes()]
    return [p.name for p in folder.rglob("*") if p.is_file() and any(w[:64] in p.read_bytes() for w in wanted)]


def test_nothing_is_left_of_a_forgotten_photo(engine, cache):
    for i in range(4):
        grow(engine, cache, i)
    opened(engine, cache, models=["m"])
    assert len(traces(cache, encoding_of(1))) == 2
    reader = opened(engine, cache)
    remove(engine, [photo(1).id])
    assert gallery_cache.forget(cache, [photo(1).id, "nobody"]) == 2
    assert traces(cache, encoding_of(1)) == []
    assert photo(1).id.encode() not in b"".join(p.read_bytes() for p in cache.iterdir())
    assert gallery_cache.forget(cache, [photo(1).id]) == 0
    assert not reader.vectors.matrix[1].any(), "who has it open has it still"
    query = Query.of([replace(encoding_of(2), photo_id="query", photo_sha256="query")])
    assert rank(reader, query).photos[0].photo_id == photo(2).id
    assert_same(opened(engine, cache), built(engine))
    assert len(traces(cache, encoding_of(2))) == 2
    grow(engine, cache, 1)
    assert_same(opened(engine, cache), built(engine))


def test_forgetting_that_was_cut_off_goes_on(engine, cache, monkeypatch):
    for i in range(4):
        grow(engine, cache, i)
    remove(engine, [photo(1).id])

    def killed(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(gallery_file.os, "fsync", killed)
        with pytest.raises(StorageError, match=r"gallery-all.json' cannot be written \(No space left"):
            gallery_cache.forget(cache, [photo(1).id])
    calls = []

    def killed_later(handle):
        calls.append(handle)
        if len(calls) == 2:  # the index says that the row is out of use, the row is not flushed
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(gallery_file.os, "fsync", killed_later)
        with pytest.raises(StorageError, match=r"cannot be erased \(No space left on device\); close the programs"):
            gallery_cache.forget(cache, [photo(1).id])
    assert gallery_cache.forget(cache, [photo(1).id]) == 1
    assert traces(cache, encoding_of(1)) == []


def test_what_a_killed_writer_left_is_removed_too(engine, cache):
    for i in range(3):
        grow(engine, cache, i)
    index = index_of(cache)
    with (cache / index.file).open("ab") as file:
        file.write(encoding_of(7).vector.tobytes())
    (cache / "gallery-all.killed.npy").write_bytes(encoding_of(7).vector.tobytes())
    (cache / "gallery-0123.killed.npy").write_bytes(encoding_of(7).vector.tobytes())
    (cache / ".gallery-all.json.killed.part").write_bytes(b"photo007")
    assert gallery_cache.forget(cache, [photo(7).id]) == 0
    assert sorted(p.name for p in cache.iterdir()) == sorted([index.file, "gallery-all.json", "lock.sqlite"])
    assert traces(cache, encoding_of(7)) == []
    assert_same(opened(engine, cache), built(engine))


def test_a_damaged_cache_is_forgotten_altogether(engine, cache):
    for i in range(3):
        grow(engine, cache, i)
    os.truncate(matrix_of(cache), 128 + 2 * 2048 * 4)
    assert gallery_cache.forget(cache, [photo(1).id]) == 0
    assert [p.name for p in cache.iterdir()] == ["lock.sqlite"]


def test_an_erasure_on_another_machine_reaches_the_cache_when_it_is_opened(engine, cache):
    for i in range(12):
        grow(engine, cache, i)
    reader, file = opened(engine, cache), index_of(cache).file
    remove(engine, [photo(1).id])
    encode_again(engine, [replace(encoding_of(2), vector=encoding_of(7).vector, crop_version="c/2")])
    assert outcome(opened, engine, cache) == outcome(built, engine)
    encode_again(engine, [replace(encoding_of(2), vector=encoding_of(7).vector)])
    assert_same(opened(engine, cache), built(engine))
    assert index_of(cache).file == file
    assert traces(cache, encoding_of(1)) == []
    assert not reader.vectors.matrix[1].any()
    assert reader.vectors.matrix[2].any(), "it was encoded again, not erased"


def test_writers_wait_for_each_other(engine, cache):
    grow(engine, cache, 0)
    waiting = threading.Thread(target=gallery_cache.forget, args=(cache, [photo(0).id]))
    with gallery_file.alone(cache):
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        assert traces(cache, encoding_of(0)) == [index_of(cache).file]
    waiting.join()
    assert traces(cache, encoding_of(0)) == []


def test_there_may_be_no_cache_to_forget_in(tmp_path):
    assert gallery_cache.forget(tmp_path / "cache", ["x"]) == 0


def test_who_began_to_read_before_an_erasure_does_not_write_it_back(engine, cache, monkeypatch):
    for i in range(4):
        grow(engine, cache, i)
    shutil.rmtree(cache)
    with engines.read(engine) as connection:
        photos, version = photo_rows.read_photos(connection), versions.version(connection)
        remove(engine, [photo(1).id])
        gallery_cache.forget(cache, [photo(1).id])
        with monkeypatch.context() as patch:  # not even for a moment: it could be killed in it
            patch.setattr(gallery_file, "append", lambda *arguments, **options: pytest.fail("rows were written"))
            gallery = gallery_cache.open_gallery(connection, photos, folder=cache, version=version)
        assert [p.id for p in gallery.photos] == [photo(i).id for i in range(4)], "its own moment is what it sees"
    assert traces(cache, encoding_of(1)) == []
    opened(engine, cache)
    assert traces(cache, encoding_of(1)) == []


@pytest.mark.parametrize("before", [0, 3])
def test_an_erasure_while_rows_are_written_takes_them_back(engine, cache, monkeypatch, before):
    for i in range(before):
        grow(engine, cache, i)
    add(engine, [photo(i) for i in (5, 6)], [encoding_of(i) for i in (5, 6)])
    write = gallery_file.append

    def erased_meanwhile(*arguments, **options):
        write(*arguments, **options)
        if versions_seen:
            return
        versions_seen.append(traces(cache, encoding_of(5)))
        remove(engine, [photo(5).id])

    versions_seen = []
    monkeypatch.setattr(gallery_file, "append", erased_meanwhile)
    kept = opened(engine, cache) if before else None
    if kept is None:
        opened(engine, cache)
    assert len(versions_seen[0]) == 1, "it was never written"
    assert traces(cache, encoding_of(5)) == []
    assert_same(opened(engine, cache), built(engine))


def write_index(cache, **change):
    gallery_file.publish(cache, "gallery-all", replace(index_of(cache), **change))


def matrix_of(cache):
    return cache / index_of(cache).file


def overwrite(path, at, content):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def exchange(path, a, b):
    content = path.read_bytes()
    assert a in content
    path.write_bytes(content.replace(a, b"\0").replace(b, a).replace(b"\0", b))


DAMAGES = {
    "no matrix": lambda cache: matrix_of(cache).unlink(),
    "no index": lambda cache: (cache / "gallery-all.json").unlink(),
    "empty index": lambda cache: (cache / "gallery-all.json").write_bytes(b""),
    "index is a list": lambda cache: (cache / "gallery-all.json").write_bytes(b"[]"),
    "index is an object": lambda cache: (cache / "gallery-all.json").write_bytes(b"{}"),
    "half an index": lambda cache: os.truncate(cache / "gallery-all.json", 200),
    "ids changed places": lambda cache: exchange(cache / "gallery-all.json", b"photo001", b"photo002"),
    "truncated matrix": lambda cache: os.truncate(matrix_of(cache), 128 + 3 * 2048 * 4 + 100),
    "empty matrix": lambda cache: os.truncate(matrix_of(cache), 0),
    "another file": lambda cache: overwrite(matrix_of(cache), 0, b"GIF89a"),
    "rows lost in a power cut": lambda cache: overwrite(matrix_of(cache), 128 + 2 * 2048 * 4, bytes(4 * 2048)),
    "garbage in rows": lambda cache: overwrite(matrix_of(cache), 128 + 2048 * 4, b"\xff\xff\xbf\x7f" * 2048),
    "another workspace": lambda cache: write_index(cache, workspace="other"),
    "another past": lambda cache: write_index(cache, history=(1, "0" * 64)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_damage_is_noticed_and_made_good(engine, cache, damage):
    with engines.write(engine) as connection:
        audit.append(connection, at=AT, actor="o", action="test", record="")
    for i in range(4):
        grow(engine, cache, i)
    shown, digest = opened(engine, cache), built(engine).digest
    assert shown.digest == digest
    damage(cache)
    asked = statements(engine)
    assert opened(engine, cache).digest == digest
    assert asked, "it was not noticed"
    asked.clear()
    assert opened(engine, cache).digest == digest
    assert asked == [], "it was not made good"
    assert len(matrices(cache)) == 1


def test_damage_and_an_added_photo_at_once(engine, cache):
    for i in range(3):
        grow(engine, cache, i)
    os.truncate(matrix_of(cache), 1000)
    assert_same(grow(engine, cache, 3), built(engine))


def test_a_restored_backup_does_not_find_the_future(engine, cache):
    for i in range(3):
        grow(engine, cache, i)
    with engines.write(engine) as connection:  # what the backup does not hold goes, and as many changes come
        connection.execute(delete(tables.encodings).where(tables.encodings.c.photo_id == photo(2).id))
        connection.execute(update(tables.meta).where(tables.meta.c.key == "version").values(value="1"))
    assert [p.id for p in opened(engine, cache).photos] == [photo(i).id for i in range(2)]


def test_without_the_right_to_write_or_space_it_is_built_in_memory(engine, cache, monkeypatch):
    cache.parent.mkdir()
    cache.write_text("in the way")
    for i in range(2):
        assert_same(grow(engine, cache, i), built(engine))
    cache.unlink()

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(gallery_file.os, "fsync", full)
        assert_same(opened(engine, cache), built(engine))
        assert matrices(cache) == [], "half a file was left to fill the disk"
    asked = statements(engine)
    assert_same(opened(engine, cache), built(engine))
    asked.clear()
    opened(engine, cache)
    assert asked == []


def test_many_open_it_at_once(engine, cache):
    photos = [photo(i) for i in range(50)]
    add(engine, photos, [encoding_of(i) for i in range(50)])
    found, failed = [], []

    def look():
        try:
            found.append(opened(engine, cache).digest)
        except Exception as error:  # noqa: BLE001 (whatever it is, the test has to say it)
            failed.append(error)

    for _ in range(2):
        threads = [threading.Thread(target=look) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
    assert set(found) == {built(engine).digest}
    assert len(found) == 10
    assert len(matrices(cache)) == 1


def test_a_killed_writer_leaves_a_cache_that_is_right_or_made_anew(tmp_path):
    rng, cache, sizes = random.Random(3), tmp_path / "cache", []
    with empty_database(tmp_path / "d.sqlite") as engine:
        for point in range(8):
            with subprocess.Popen(
                [sys.executable, "-m", "tests.store.caching", str(tmp_path), str(200 * point)],
                cwd=Path(__file__).parents[2],
                stdout=subprocess.PIPE,
            ) as process:
                assert process.stdout.readline() == b"ready\n"
                if point == 0:  # there is no gallery before it has its first photo
                    assert process.stdout.readline() == b"grown\n"
                time.sleep(rng.uniform(0.02, 0.4))
                os.kill(process.pid, signal.SIGKILL)
            gallery = opened(engine, cache)
            assert_same(gallery, built(engine))
            assert len(matrices(cache)) == 1
            sizes.append(len(gallery))
            assert matrix_of(cache).stat().st_size == 128 + len(index_of(cache)) * 2048 * 4
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 4, "nothing was written before the kills"
