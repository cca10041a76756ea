"""PEDIA's case files: facts come in, scores do not; damaged files."""

import json

import pytest

from deciface.cases import Case, Diagnosis, DiagnosisStatus, Disorder, Patient, Phenotype, Variant, Zygosity
from deciface.formats.face2gene_json import Face2GeneImporter
from deciface.formats.pedia_json import PediaImporter
from tests.formats.test_face2gene import ENTRY, fuzz


def genomic(genotype="HETEROZYGOUS", gene="PIGO", **mutations):
    return {
        "Test Information": {"Gene Name": gene, "Genotype": genotype, "Mutation Type": "EXOME_SEQUENCING"},
        "Mutations": {"Build": "GRCh37", "result": "VARIANTS_DETECTED", **mutations},
    }


PEDIA = {
    "case_id": "124",
    "algo_deploy_version": "1",
    "submitter": {"user_email": "jane@clinic.example", "user_name": "Jane Doe", "user_team": ""},
    "vcf": ["124.vcf.gz"],
    "features": ["HP:0000316", "HP:0001250"],
    "geneList": [{"gene_symbol": "PIGO", "gestalt_score": 0.7, "cadd_phred_score": 33}],
    "ranks": [],
    "processing": ["phenomize.py"],
    "detected_syndromes": [{"omim_id": [1], "gestalt_score": 0.4}],
    "genomicData": [genomic(**{"HGVS-code": "NM_032634.3:c.2869C>T, NM_032634.3:c.2361dup"})],
    "genomic_entries": [77],
    "selected_syndromes": [{"omim_id": 614749, "syndrome_name": "HPMRS2", "diagnosis": "MOLECULARLY_DIAGNOSED"}],
}


def read(tmp_path, content):
    path = tmp_path / "case.json"
    path.write_text(json.dumps(content))
    return PediaImporter().read(path)


def told(result):
    return [str(problem).removeprefix("case.json, row 1") for problem in result.problems]


def test_facts_come_in_and_scores_do_not(tmp_path):
    result = read(tmp_path, PEDIA)
    assert result.cases == (
        (
            1,
            Case(
                Patient("124"),
                (Diagnosis(Disorder("OMIM:614749", "HPMRS2"), (), DiagnosisStatus.MOLECULAR),),
                (Phenotype("HP:0000316"), Phenotype("HP:0001250")),
                (
                    Variant("PIGO", hgvs=("NM_032634.3:c.2869C>T",), zygosity=Zygosity.HETEROZYGOUS),
                    Variant("PIGO", hgvs=("NM_032634.3:c.2361dup",), zygosity=Zygosity.HETEROZYGOUS),
                ),
            ),
        ),
    )
    assert told(result) == [
        ": not taken over, what programs computed is evidence, not a fact about the patient: "
        "algo_deploy_version, detected_syndromes, geneList, processing",
        ": not taken over, who sent the case, and their documents, are no part of it: submitter, vcf",
    ]
    assert "Doe" not in repr(result)


def test_compound_heterozygotes_genomic_descriptions_and_other_words(tmp_path):
    data = [
        genomic("COMPOUND HETEROZYGOUS", **{"Mutation 1": {"HGVS-code": "NM_032634.3:c.1del"},
                                            "Mutation 2": {"HGVS-code": "NM_032634.3:c.2del"}}),
        genomic("Homozygous", **{"HGVS-code": "NC_000009.11:g.35090000C>T"}),
        genomic("TRIPLE", **{"HGVS-code": "some deletion"}),
        genomic(),
    ]  # fmt: skip
    result = read(tmp_path, PEDIA | {"genomicData": data})
    assert [(*v.hgvs, v.assembly, v.zygosity) for v in result.cases[0][1].variants] == [
        ("NM_032634.3:c.1del", "", Zygosity.HETEROZYGOUS),
        ("NM_032634.3:c.2del", "", Zygosity.HETEROZYGOUS),
        ("NC_000009.11:g.35090000C>T", "GRCh37", Zygosity.HOMOZYGOUS),
    ]
    assert told(result)[:3] == [
        ", column 'genomicData[2].Genotype': 'TRIPLE' is not known, taken as unknown; allowed are HETEROZYGOUS, "
        "COMPOUND_HETEROZYGOUS, COMPOUND HETEROZYGOUS, HOMOZYGOUS, HEMIZYGOUS",
        ", column 'genomicData[2].Mutations.HGVS-code': 'some deletion' is left out; it is no HGVS description",
        ", column 'genomicData[3]': no variant with an HGVS description; add it by hand",
    ]
    assert result.cases[0][1].as_written == (
        ("genomicData[2].Genotype", "TRIPLE"),
        ("genomicData[2].Mutations.HGVS-code", "some deletion"),
    )


def test_entries_are_read_where_there_is_no_genomic_data(tmp_path):
    result = read(tmp_path, PEDIA | {"genomicData": [], "genomic_entries": [ENTRY]})
    assert result.cases[0][1].variants[0].hgvs == ("NM_022455.5:c.1234C>T",)


def test_sniffing(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(PEDIA))
    assert PediaImporter().sniff(path)
    assert not Face2GeneImporter().sniff(path)
    scored = [{"omim_id": 100_000 + i, "gestalt_score": i / 3, "syndrome_name": "x" * 80} for i in range(900)]
    path.write_text(json.dumps({"algo": 1, "detected_syndromes": scored} | PEDIA | {"detected_syndromes": scored}))
    assert PediaImporter().sniff(path)
    assert not Face2GeneImporter().sniff(path)
    path.write_text(json.dumps({"case_id": 1, "features": []}))
    assert not PediaImporter().sniff(path)
    assert not PediaImporter().sniff(tmp_path / "none")


def test_a_case_without_id_is_dropped(tmp_path):
    result = read(tmp_path, PEDIA | {"case_id": ""})
    assert result.cases == ()
    assert told(result) == [", column 'case_id': dropped: the case has no id; give it one"]


def test_damaged_files_give_cases_or_one_line(tmp_path):
    assert fuzz(PediaImporter(), [PEDIA], tmp_path / "a.json", runs=300, seed=1) > 150


@pytest.mark.slow
def test_three_thousand_damaged_files(tmp_path):
    assert fuzz(PediaImporter(), [PEDIA], tmp_path / "a.json", runs=3000, seed=2) > 1500
