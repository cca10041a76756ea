"""JSON is read safely: forms, compression, and everything a damaged or hostile file can be."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from deciface.errors import TableError
from deciface.formats.json_text import MOST_BROKEN_LINES, first_bytes, parse_json, read_json

RECORDS = [{"id": "a", "名": "王"}, {"id": "b"}, {"id": "c"}]
TOO_DEEP = "nested more than 64 levels deep; no record of a patient is, check where the file comes from"
LINES = "\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS)


def values(found):
    return [record.value for record in found.records]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (json.dumps(RECORDS), [1, 2, 3]),
        (json.dumps(RECORDS, indent=2), [1, 2, 3]),
        (LINES, [1, 2, 3]),
        (LINES.replace("\n", "\r\n") + "\r\n", [1, 2, 3]),
        ("\n" + LINES.replace("\n", "\n\n"), [2, 4, 6]),
    ],
)
def test_arrays_and_lines_give_the_same_records_with_their_places(tmp_path, content, rows):
    for name, raw in (
        ("x.json", content.encode()),
        ("x.jsonl", content.encode()),
        ("x.json.gz", gzip.compress(content.encode())),
        ("misnamed.json", gzip.compress(content.encode())),
        ("bom.json", b"\xef\xbb\xbf" + content.encode()),
        ("wide.json", content.encode("utf-16")),
    ):
        path = tmp_path / name
        path.write_bytes(raw)
        found = read_json(path)
        assert values(found) == RECORDS
        assert [record.row for record in found.records] == rows
        assert not found.problems


def test_one_object_over_several_lines_is_one_record(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(RECORDS[0], indent=2))
    assert values(read_json(path)) == [RECORDS[0]]


def test_several_gzip_members_are_one_file(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(b"".join(gzip.compress(json.dumps(record).encode() + b"\n") for record in RECORDS))
    assert values(read_json(path)) == RECORDS


def test_a_bad_line_is_dropped_with_its_number_and_the_rest_is_read():
    lines = [json.dumps(record) for record in RECORDS]
    raw = "\n".join((lines[0], '{"id": ', lines[1], '{"id" "x"}', lines[2])).encode() + b'\n{"id": "\xff"}'
    found = parse_json(raw, "x.jsonl")
    assert values(found) == RECORDS
    assert [(problem.row, problem.message) for problem in found.problems] == [
        (2, "dropped: JSON that breaks off; is the file cut off? Fetch or export it again"),
        (
            4,
            "dropped: no JSON at column 7 (unexpected character, expected ':' after key); "
            "export it again as JSON in UTF-8",
        ),
        (6, "dropped: not UTF-8 text; save it as JSON in UTF-8"),
    ]


def test_a_bad_first_line_of_a_file_named_so_is_a_problem_too(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("{oh\n" + LINES)
    found = read_json(path)
    assert values(found) == RECORDS
    assert [problem.row for problem in found.problems] == [1]


def test_a_file_of_nothing_but_bad_lines_is_given_back():
    raw = b'{"id": 1}\n' + b"{\n" * (MOST_BROKEN_LINES + 1)
    with pytest.raises(TableError) as caught:
        parse_json(raw, "x.jsonl")
    assert str(caught.value) == (
        "x.jsonl, row 102: more than 100 lines are no JSON; one record a line is needed: check the file"
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "x.json: the file is empty; a JSON record is needed"),
        (b" \n \n", "x.json: the file is empty; a JSON record is needed"),
        (b'[{"id": "a"}, {"id"', "x.json, row 1: JSON that breaks off; is the file cut off? Fetch or export it again"),
        (b'["\xa4\xfd"]', "x.json, row 1: not UTF-8 text; save it as JSON in UTF-8"),
        ("[1]".encode("utf-16")[:-1], "x.json: UTF-16 text that breaks off; save it as JSON in UTF-8"),
        (
            b"hello",
            "x.json, row 1: no JSON at column 1 (unexpected character, expected a JSON value); "
            "export it again as JSON in UTF-8",
        ),
        (
            b"[" * 100_000 + b"]" * 100_000,
            "x.json, row 1: " + TOO_DEEP,
        ),
        (
            b"[1, " + b'{"a":' * 65 + b"1" + b"}" * 65 + b"]",
            "x.json, row 2: " + TOO_DEEP,
        ),
        (gzip.compress(b'{"id": "a"}' * 9, mtime=0)[:-12], "x.json: gzip that breaks off; fetch or export it again"),
        (
            b"\x1f\x8b\x07\0\0\0\0\0\0\0",
            "x.json: damaged gzip (Error -3 while decompressing data: unknown compression method); "
            "fetch or export it again",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, raw, message):
    path = tmp_path / "x.json"
    path.write_bytes(raw)
    with pytest.raises(TableError) as caught:
        read_json(path)
    assert str(caught.value) == message


def test_sixty_four_levels_are_read_on_a_line_and_sixty_five_are_not():
    deep = '{"a":' * 64 + "1" + "}" * 64
    found = parse_json(f'{{"id": 1}}\n{deep}\n{{"a":{deep}}}'.encode(), "x.jsonl")
    assert [record.row for record in found.records] == [1, 2]
    assert found.problems[0].message.startswith("dropped: nested more than 64 levels deep")


def test_a_decompression_bomb_stops_at_the_limit(tmp_path):
    path = tmp_path / "bomb.json.gz"
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    zeros = b"0" * 2**20
    path.write_bytes(b"".join(packer.compress(zeros) for _ in range(300)) + packer.flush())
    assert path.stat().st_size < 2**20
    with pytest.raises(TableError) as caught:
        read_json(path, largest_bytes=2**24)
    assert str(caught.value) == (
        "bomb.json.gz: unpacks to more than 16 MiB, which are not read; split it or check where it is from"
    )
    with pytest.raises(TableError, match=r"bomb\.json\.gz: unpacks to more than 256 MiB"):
        read_json(path)


def test_a_bomb_of_many_members_stops_too(tmp_path):
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b" " * 2**16) * 40)
    with pytest.raises(TableError, match="unpacks to more than 1 MiB"):
        read_json(path, largest_bytes=2**20)


def test_a_file_above_the_limit_is_not_read(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b" " * (2**20 + 1))
    with pytest.raises(TableError) as caught:
        read_json(path, largest_bytes=2**20)
    assert str(caught.value) == "x.json: 1 MiB; at most 1 MiB are read: split it"


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(TableError) as caught:
        read_json(tmp_path / "none.json")
    assert str(caught.value) == "none.json: cannot be read (No such file or directory); give a JSON file"


def test_the_first_bytes_never_raise(tmp_path):
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(LINES.encode()))
    assert first_bytes(path).startswith(b'{"id": "a"')
    path.write_bytes(b"\x1f\x8bnonsense")
    assert first_bytes(path) == b""
    assert first_bytes(tmp_path) == b""
