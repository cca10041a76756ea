"""The shape of HGVS descriptions. Examples are of the kinds that the nomenclature's pages list."""

import gzip
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.cases.hgvs_grammar import LONGEST, hgvs

DNA = """
c.4375C>T c.*12C>T c.-3del c.123+4A>G c.124-45del c.*32+5G>A c.-106+2T>A c.4375_4379del c.4375_4379delCGATT c.12delA
c.4375del5 c.4375_4385dup c.4375dup c.4375_4376insACCT c.4375_4376delinsACTT c.12delinsAG c.12_14delAGCinsTT
c.4375_4400inv c.123_124ins123_456inv c.123_124ins(12_20) c.123_124ins? c.(4071+1_4072-1)_(5154+1_5155-1)del
c.(?_-30)_(*220_?)dup c.76-?_923+?del c.-128_-126[79] c.53AGC[19] c.53_54[(10_?)] c.= c.123= c.123A= c.? c.(76A>C)
c.[76A>C;83G>C] c.[76A>C];[83G>C] c.[76A>C];[?] c.[76A>C(;)83G>C] c.76A>C(;)83G>C c.85=/T>C c.85=//T>C
g.32717298del g.(?_12)_(34_?)del g.(100_200)_(300_400)dup g.pter_(12_34)del g.(12_34)_qterdup g.117_118insN[12]
g.123_191CAG[19]CAA[4] g.12_30con40_58 m.3243A>G m.8993T>G n.45A>G n.12+3del r.76a>u r.76_77insu r.spl r.spl? r.(?) r.0
r.(76a>u) r.123_127del r.=
"""

PROTEIN = """
p.(Arg97ProfsTer23) p.Arg97fs p.(Arg97Profs*23) p.Arg97ProfsTer? p.? p.Trp26* p.Trp26Ter p.(Trp26Ter) p.W26* p.R97X
p.(Gly56Ala^Ser^Cys) p.= p.(=) p.Cys188= p.0 p.0? p.Met1? p.(Met1?) p.Met1ext-5 p.Met1Valext-12 p.(Ter110GlnextTer17)
p.*110Glnext*17 p.(Ter315TyrextTer?) p.Lys23_Val25del p.(Ser6dup) p.(Lys2_Met3insGlnSerLys) p.Arg78_Gly79ins23
p.(His4_Gln5insXaa[30]) p.Cys28delinsTrpVal p.(Cys28_Lys29delinsTrp) p.Gln18[23] p.Gln18[(70_80)] p.(Sec46Ter)
p.[Arg97Pro;Leu3Val] p.[Ser68Arg];[Asn594del]
"""


@pytest.mark.parametrize("text", [*DNA.split(), *PROTEIN.split()])
def test_descriptions_of_every_kind_are_accepted_unchanged(text):
    assert hgvs(text) == text


@pytest.mark.parametrize(
    "reference",
    [
        *("NM_004006.2", "NM_004006", "NC_000023.11(NM_004006.2)", "NM_004006.2(DMD)", "NG_012232.1", "LRG_199t1"),
        *("ENST00000357033.8", "DMD", "HLA-A", "XM_005274587.1"),
    ],
)
def test_references_of_coding_descriptions(reference):
    assert hgvs(f"{reference}:c.357+1G>A") == f"{reference}:c.357+1G>A"


@pytest.mark.parametrize(
    "text",
    [
        *("NC_000023.11:g.33038255C>A", "chr7:g.140453136A>T", "NC_012920.1:m.3243A>G", "NR_002196.2:n.601G>T"),
        *("NP_003997.1:p.Trp24Cys", "LRG_199p1:p.(Trp24Cys)", "ENSP00000354923.3:p.Trp24Cys", "NM_004006.3:r.76a>c"),
        "NC_000004.11:g.134850793_134850794ins[NC_000023.11:g.89555676_100352080]",
        "NC_000002.11:g.47643464_47643465ins[NC_000022.10:g.35788169_35788352;A;7_9inv]",
    ],
)
def test_references_of_other_descriptions(text):
    assert hgvs(text) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" NM_024666.5 : c.174 del ", "NM_024666.5:c.174del"),
        ("NM_024666.5 c.174del", "NM_024666.5:c.174del"),
        ("NM_012309.5:c.123 + 4a > g", "NM_012309.5:c.123+4A>G"),
        ("C.123A>G", "c.123A>G"),
        ("c.123a>g", "c.123A>G"),
        ("c.12DELINSag", "c.12delinsAG"),
        ("c.123A→G", "c.123A>G"),
        ("c.123A&gt;G", "c.123A>G"),
        ("c.124−45del", "c.124-45del"),
        ("ｃ．１２３Ａ＞Ｇ", "c.123A>G"),
        ("r.76A>U", "r.76a>u"),
        ("p.arg97PROfsTER23", "p.Arg97ProfsTer23"),
        ("p.K23_A24insALA", "p.K23_A24insALA"),
    ],
)
def test_spelling_is_put_right_and_meaning_is_not_touched(text, canonical):
    assert hgvs(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *("", "c.", "c.123", "174del", "12A>G", "hello", "c..12A>G", ":c.12A>G", "NM_1.1:", "NM_004006.2", "x.12A>G"),
        *("c.0A>G", "c.12GC>AT", "c.12A>", "c.12_del", "c.12insA", "c.12Z>A", "c.12inv", "c.12A<G", "c.spl", "c.0"),
        *("g.12+3A>G", "g.-5A>G", "g.*5A>G", "m.5+1A>G", "chr7:140453136A>T", "c.[12A>G", "c.[]", "c.12A>G;13A>G"),
        *("p.Arg97", "p.Foo97Pro", "p.(Arg97Pro", "p.97Pro", "p.Arg0Pro", "p.ArgPro", "p.Arg97insPro", "p.12A>G"),
        *("NP_003997.1:c.12A>G", "NM_004006.2:g.12A>G", "NC_000023.11:p.Trp24Cys", "NR_002196.2:c.12A>G"),
        *("c.350C>T (p.Thr117Met)", "c.12A>G, c.13A>G", "c.12A>G homozygous", "del exon 3", "46,XX,del(5)(p15)"),
        "c.12A>G" + "A" * LONGEST,
    ],
)
def test_what_has_not_the_shape_is_refused(text):
    assert hgvs(text) is None


@given(st.text(alphabet="cgmnrp.:()[];_+-*?>=/0123456789ACGTNdelinsupvXfextTrg ", max_size=60))
def test_no_text_breaks_the_reader(text):
    canonical = hgvs(text)
    assert canonical is None or hgvs(canonical) == canonical


@pytest.mark.parametrize(
    "text", ["c.1_2ins" + "A" * 4900, "c.1_2ins[" + "A;" * 2400, "c." + "(" * 4900, "p.A1delins" + "Ala" * 1600 + "!",
             "c.1A" + "C[1]" * 1200 + "!", "A-" * 2400 + ":c.1A>G", "c.[" + "1A>G;" * 900 + "]"]
)  # fmt: skip
def test_long_and_hostile_texts_are_decided_at_once(text):
    begun = time.perf_counter()
    hgvs(text)
    assert time.perf_counter() - begun < 1


def test_every_description_of_published_cases_is_accepted(shared_data):
    descriptions = []
    with gzip.open(shared_data / "phenotype" / "phenopackets_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            json.loads(line, object_hook=lambda o: descriptions.append(o["value"]) if "syntax" in o else o)
    assert len(descriptions) == 13_482
    assert [text for text in descriptions if hgvs(text) is None] == []
    assert [text for text in descriptions if hgvs(text) != "".join(text.split())] == []
