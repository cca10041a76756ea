"""Identifiers as records spell them."""

import gzip
import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.cases import identifiers
from deciface.cases.identifiers import disorder_id, hpo_id, reference_id


@pytest.mark.parametrize(
    "text",
    [
        *("OMIM:148600", "omim:148600", "OMIM 148600", "OMIM148600", "MIM 148600", "MIM:148600", "MIM #148600"),
        *("#148600", "# 148600", "%148600", "+148600", "OMIM: #148600", "OMIM:#148600", "MIM number 148600", "148600"),
        *(" 148600 ", "148600.0", "１４８６００", "https://omim.org/entry/148600", "https://www.omim.org/entry/148600"),
        *("omim.org/entry/148600", "MIM no. 148600", "OMIM_148600", "identifiers.org/mim:148600"),
    ],
)
def test_omim(text):
    assert disorder_id(text) == "OMIM:148600"


@pytest.mark.parametrize(
    "text",
    [
        *("ORPHA:821", "orpha821", "ORPHA 821", "Orphanet:821", "Orphanet_821", "ORPHAcode: 821", "ORPHA:0821"),
        *("Orphanet:ORPHA821", "https://www.orpha.net/en/disease/detail/821", "http://www.orpha.net/ORDO/Orphanet_821"),
        "https://www.orpha.net/consor/cgi-bin/OC_Exp.php?Lng=EN&Expert=821",
    ],
)
def test_orphanet(text):
    assert disorder_id(text) == "ORPHA:821"


@pytest.mark.parametrize(
    "text", ["MONDO:0007254", "mondo_0007254", "MONDO 0007254", "http://purl.obolibrary.org/obo/MONDO_0007254"]
)
def test_mondo(text):
    assert disorder_id(text) == "MONDO:0007254"


@pytest.mark.parametrize(
    "text", ["PS163950", "OMIM:PS163950", "OMIMPS:163950", "https://omim.org/phenotypicSeries/PS163950"]
)
def test_a_phenotypic_series_is_not_taken_for_the_entry_of_that_number(text):
    assert disorder_id(text) == "OMIMPS:163950"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "*300624", "^148600", "MIM *300624", "948600", "048600", "14860", "1486000", "OMIM:", "OMIM:14860"),
        *("821", "ORPHA:", "ORPHA:0", "ORPHA:abc", "MONDO:7254", "0007254", "DOID:1234", "GMDB:12", "Noonan syndrome"),
        *("OMIM:148600, OMIM:163950", "148600;163950", "148 600", "OMIM:148600x", "-148600", "1486e2", "١٤٨٦٠٠"),
    ],
)
def test_what_is_no_disorder_id_is_refused(text):
    assert disorder_id(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("HP:0000316", "hp:0000316", "HP_0000316", "hp_0000316", "HP0000316", "HP 0000316", "HPO:0000316", "0000316"),
        *(" HP:0000316 ", "ＨＰ：００００３１６", "http://purl.obolibrary.org/obo/HP_0000316"),
        "https://hpo.jax.org/app/browse/term/HP:0000316",
    ],
)
def test_hpo(text):
    assert hpo_id(text) == "HP:0000316"


@pytest.mark.parametrize(
    "text",
    ["", "HP:316", "316", "HP:00003160", "Hypertelorism", "HP:0000316 Hypertelorism", "!HP:0000316", "MP:0000316"],
)
def test_what_is_no_hpo_id_is_refused(text):
    assert hpo_id(text) is None


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        *[
            (text, "PMID:24573067")
            for text in (
                *("PMID:24573067", "pmid 24573067", "PMID: 24573067", "PubMed ID 24573067", "24573067", "24573067.0"),
                *("https://pubmed.ncbi.nlm.nih.gov/24573067/", "http://www.ncbi.nlm.nih.gov/pubmed/24573067"),
            )
        ],
        ("PMID:1", "PMID:1"),
        *[
            (text, "doi:10.1002/ajmg.a.12345")
            for text in (
                *("doi:10.1002/ajmg.a.12345", "DOI: 10.1002/AJMG.A.12345", "10.1002/ajmg.a.12345."),
                *("https://doi.org/10.1002/ajmg.a.12345", "http://dx.doi.org/10.1002/ajmg.a.12345"),
            )
        ],
        ("https://doi.org/10.11251/ojjscn1969.10.465", "doi:10.11251/ojjscn1969.10.465"),
        ("https://doi.org/10.1000/a%3Cb%3E", "doi:10.1000/a<b>"),
        ("10.1002/(SICI)1096-8628(19990101)82:1<1::AID-AJMG1>3.0.CO;2-X", None),
    ],
)
def test_references(text, reference):
    expected = reference or "doi:" + text.casefold()
    assert reference_id(text) == expected


@pytest.mark.parametrize(
    "text", ["", "in press", "12345", "PMID:", "PMID:0", "PMC3084216", "doi:", "10.1/x", "10.1002/"]
)
def test_what_is_no_reference_is_refused(text):
    assert reference_id(text) is None


@pytest.mark.parametrize("name", ["disorder_id", "hpo_id", "reference_id", "hgvs", "country"])
@given(text=st.text(max_size=40))
def test_what_is_accepted_once_is_accepted_again_unchanged(name, text):
    read = getattr(identifiers, name)
    canonical = read(text)
    assert canonical is None or read(canonical) == canonical


@pytest.mark.parametrize("name", ["disorder_id", "hpo_id", "reference_id", "hgvs", "country"])
@pytest.mark.parametrize("piece", ["1", "omim ", "orpha", "doi:", " ", "10.1234", "expert=", "#", "pmid 1", "HP:0"])
def test_long_and_hostile_texts_are_decided_at_once(name, piece):
    begun = time.perf_counter()
    assert getattr(identifiers, name)("omim" + piece * 20_000 + "x") is None
    assert getattr(identifiers, name)(piece * 60 + "x") is None
    assert time.perf_counter() - begun < 1


@given(st.integers(100_000, 699_999), st.sampled_from(["OMIM:{}", "MIM {}", "#{}", "{}", "OMIM: #{}"]))
def test_every_omim_number_is_read_in_every_spelling(number, spelling):
    assert disorder_id(spelling.format(number)) == f"OMIM:{number}"


def test_all_ids_of_published_cases_are_canonical_already(shared_data):
    ids = set()
    with gzip.open(shared_data / "phenotype" / "phenopackets_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            json.loads(line, object_hook=lambda o: ids.add(o.get("id")) or o)
    of_terms = {i for i in ids if i and re.fullmatch("(OMIM|HP|PMID):[0-9]+", i)}
    readers = {"OMIM": disorder_id, "HP": hpo_id, "PMID": reference_id}
    assert len(of_terms) > 2000
    assert [i for i in of_terms if readers[i.split(":")[0]](i) != i] == []
