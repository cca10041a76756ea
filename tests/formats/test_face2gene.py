"""Face2Gene's case files: both forms, what comes in, what is left out and said, and damaged files."""

import json
import random

import pytest

from deciface.cases import (
    Case,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Patient,
    Phenotype,
    Sex,
    TermState,
    Variant,
    Zygosity,
)
from deciface.errors import DeciFaceError, InputError, TableError
from deciface.formats.face2gene_json import Face2GeneImporter

CASE_FORM = {
    "algo_deploy_version": "1.0.1",
    "case_id": 11,
    "detected_syndromes": [{"gestalt_score": 0.4, "omim_id": 119580, "syndrome_name": "Another syndrome"}],
    "documents": [{"document_name": "Jane_Doe.vcf", "is_vcf": 1}],
    "features": ["HP:0000316", "HP:0000400"],
    "genomic_entries": [3],
    "selected_syndromes": [{"has_mask": 1, "omim_id": 117550, "syndrome_name": "Sotos syndrome"}],
    "submitter": {"user_email": "jane@clinic.example", "user_name": "Jane Doe", "user_team": "Clinic"},
}
ENTRY = {
    "entry_id": 3,
    "gene": {"gene_id": 64324, "gene_omim_id": 606681, "gene_symbol": "NSD1"},
    "result": "VARIANTS_DETECTED",
    "test_type": "TARGETED_TESTING",
    "variants": {
        "hgvs_variant_description": "NM_022455.5: c.1234C>T",
        "mutation": {
            "location": "1234",
            "mutation_type": "SUBSTITUTION",
            "original_base": "C",
            "substituted_base": "T",
            "transcript": "NM_022455.5",
        },
        "variant_information": "CDNA_LEVEL",
        "zygosity": "HETEROZYGOUS",
    },
}


def feature(term, present, name=""):
    return {
        "is_present": present,
        "feature": {"feature_name": name, "hpo_id": term[3:].lstrip("0"), "hpo_full_id": term},
    }


def syndrome(name, diagnosis, **ids):
    empty = {"omim_id": None, "omim_ids": [], "omim_ps_id": None, "is_group": False, "app_valid": 1}
    return {"diagnosis": diagnosis, "syndrome": {"syndrome_name": name, **empty, **ids}}


def lab_form(**changes):
    return {
        "f2g_case_id": "12",
        "lab_case_id": 500,
        "lab_id": 8,
        "case_data": {
            "case_id": "12",
            "gender": "Male",
            "algo_version": "19.1.1",
            "selected_features": [
                feature("HP:0000316", "1", "Hypertelorism"),
                feature("HP:0001263", "0", "Global developmental delay"),
            ],
            "selected_syndromes": [syndrome("Noonan Syndrome", "MOLECULARLY_DIAGNOSED", omim_ps_id="PS163950",
                                            omim_ids=[163950, 609942], is_group=True)],
            "selected_genes": [{"gene_name": "PTPN11", "gene_entrez_id": "5781"}],
            "suggested_syndromes": [{"syndrome": {"syndrome_name": "Costello"}, "gestalt_score": 0.2}],
            "posting_user": {"userDisplayName": "Dr. Jane Doe", "userEmail": "jane@clinic.example"},
            "measurements": [{"x": 1}],
            **changes,
        },
    }  # fmt: skip


def read(tmp_path, content, name="case.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return Face2GeneImporter().read(path)


def told(result):
    return [str(problem).removeprefix("case.json, row 1") for problem in result.problems]


def test_the_case_form_with_its_entry_beside_it(tmp_path):
    (tmp_path / "cases").mkdir()
    (tmp_path / "genomics_entries").mkdir()
    (tmp_path / "genomics_entries" / "3.json").write_text(json.dumps(ENTRY))
    result = read(tmp_path / "cases", CASE_FORM)
    assert result.cases == (
        (
            1,
            Case(
                Patient("11"),
                (Diagnosis(Disorder("OMIM:117550", "Sotos syndrome")),),
                (Phenotype("HP:0000316"), Phenotype("HP:0000400")),
                (Variant("NSD1", hgvs=("NM_022455.5:c.1234C>T",), zygosity=Zygosity.HETEROZYGOUS),),
            ),
        ),
    )
    assert told(result) == [
        ", column 'selected_syndromes[0]': how sure the diagnosis is is not stated, taken as clinical; correct it",
        ": not taken over, what programs computed is evidence, not a fact about the patient: "
        "algo_deploy_version, detected_syndromes",
        ": not taken over, who sent the case, and their documents, are no part of it: documents, submitter",
    ]
    assert "Doe" not in repr(result)


def test_the_lab_form(tmp_path):
    result = read(tmp_path, lab_form())
    ((_, case),) = result.cases
    assert case == Case(
        Patient("12", Sex.MALE),
        (Diagnosis(Disorder("OMIMPS:163950", "Noonan Syndrome"), ("PTPN11",), DiagnosisStatus.MOLECULAR),),
        (
            Phenotype("HP:0000316", label="Hypertelorism"),
            Phenotype("HP:0001263", TermState.EXCLUDED, label="Global developmental delay"),
        ),
        other_ids=("Face2Gene lab case:500",),
    )
    assert told(result) == [
        ": not taken over, what programs computed is evidence, not a fact about the patient: "
        "algo_version, suggested_syndromes",
        ": not taken over, who sent the case, and their documents, are no part of it: lab_id, posting_user",
        ": not taken over, the meaning is not public: 'measurements'",
    ]


@pytest.mark.parametrize(
    ("entry", "id_", "status", "message"),
    [
        (syndrome("A", "CLINICALLY_DIAGNOSED", omim_id="218040"), "OMIM:218040", DiagnosisStatus.CLINICAL, None),
        (syndrome("A", "DIFFERENTIAL_DIAGNOSIS", omim_id=218040), "OMIM:218040", DiagnosisStatus.SUSPECTED, None),
        (syndrome("A", "PROVEN", omim_id=218040), "OMIM:218040", DiagnosisStatus.CLINICAL,
         "diagnosis': 'PROVEN' is not known, taken as clinical; correct it"),
        (syndrome("A; AB", "CLINICALLY_DIAGNOSED", omim_ids=[180849, 613684]), "Face2Gene:A; AB",
         DiagnosisStatus.CLINICAL,
         "syndrome': 'A; AB' stands for 2 OMIM numbers, kept under its name; give the one that is meant"),
        (syndrome("A", "CLINICALLY_DIAGNOSED", omim_id=0), "Face2Gene:A", DiagnosisStatus.CLINICAL, None),
        (syndrome("", "CLINICALLY_DIAGNOSED"), None, None,
         "syndrome': dropped: the syndrome has neither an OMIM number nor a name"),
    ],
)  # fmt: skip
def test_selected_syndromes(tmp_path, entry, id_, status, message):
    result = read(tmp_path, lab_form(selected_syndromes=[entry], selected_genes=[]))
    found = [(d.disorder.id, d.status) for d in result.cases[0][1].diagnoses]
    assert found == ([(id_, status)] if id_ else [])
    about = [line for line in told(result) if "selected_syndromes" in line]
    assert about == ([f", column 'case_data.selected_syndromes[0].{message}"] if message else [])


def test_genes_of_several_syndromes_are_not_guessed(tmp_path):
    both = [syndrome(n, "CLINICALLY_DIAGNOSED", omim_id=i) for n, i in (("A", 218040), ("B", 117550))]
    result = read(tmp_path, lab_form(selected_syndromes=both))
    assert [d.genes for d in result.cases[0][1].diagnoses] == [(), ()]
    assert (
        ", column 'case_data.selected_genes': 'PTPN11' is left out, because 2 syndromes are selected; "
        "name the genes of each"
    ) in told(result)
    assert result.cases[0][1].as_written == (("case_data.selected_genes", "PTPN11"),)


def test_features_that_are_not_understood_are_kept_as_written(tmp_path):
    features = [
        {"is_present": "1", "feature": {"feature_name": "Large ears"}},
        {"feature": {"hpo_full_id": "HP:0000316"}},
        {"is_present": "9", "feature": {"hpo_id": "400"}},
        feature("HP:0000400", "0"),
        "Tall",
        7,
    ]
    result = read(tmp_path, lab_form(selected_features=features))
    case = result.cases[0][1]
    assert case.phenotypes == (
        Phenotype("HP:0000316", TermState.NOT_ASSESSED),
        Phenotype("HP:0000400", TermState.NOT_ASSESSED),
    )
    place = "case_data.selected_features"
    assert [line for line in told(result) if place in line] == [
        f", column '{place}[0]': 'Large ears' is not an HPO id, kept as written; write e.g. HP:0000316",
        f", column '{place}[1]': HP:0000316: whether it is present is not stated, taken as not assessed",
        f", column '{place}[2].is_present': '9' is not known, taken as not assessed",
        f", column '{place}[3]': HP:0000400 is both not-assessed and excluded, taken as not-assessed",
        f", column '{place}[4]': 'Tall' is not an HPO id, kept as written; write e.g. HP:0000316",
        f", column '{place}[5]': '7' is not an HPO id, kept as written; write e.g. HP:0000316",
    ]
    assert [text for _, text in case.as_written] == ["Large ears", "9", "Tall", "7"]


def entry(**changes):
    return ENTRY | {"variants": [ENTRY["variants"] | changes]}


@pytest.mark.parametrize(
    ("genomic", "variants", "message"),
    [
        (entry(hgvs_variant_description=""), [("NM_022455.5:c.1234C>T", "")], None),
        (entry(zygosity="COMPOUND_HETEROZYGOUS", hgvs_variant_description=None, mutation=None,
               mutation1={"transcript": "NM_022455.5:c.1del", "interpretation": "PATHOGENIC"},
               mutation2={"transcript": "NM_022455.5:c.9dup"}),
         [("NM_022455.5:c.1del", "PATHOGENIC"), ("NM_022455.5:c.9dup", "")], None),
        (entry(hgvs_variant_description="deletion", mutation={}), [],
         ".variants[0].hgvs_variant_description': 'deletion' is left out; it is no HGVS description"),
        (ENTRY | {"variants": {}, "test_type": "KARYOTYPE"}, [],
         "': no variant with an HGVS description in this 'KARYOTYPE'; add it by hand"),
        (ENTRY | {"result": "NORMAL"}, [], None),
        ("../../secret", [],
         "': left out: there is no genomics_entries/../../secret.json beside the file or its folder"),
    ],
)  # fmt: skip
def test_genomic_entries(tmp_path, genomic, variants, message):
    result = read(tmp_path, lab_form(genomic_entries=[genomic]))
    found = result.cases[0][1].variants
    assert [(*v.hgvs, v.acmg) for v in found] == variants
    assert {v.zygosity for v in found} <= {Zygosity.HETEROZYGOUS}
    about = [line for line in told(result) if "genomic_entries" in line]
    assert about[:1] == ([f", column 'case_data.genomic_entries[0]{message}"] if message else [])


def test_a_folder_reads_the_good_files_and_names_the_others(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(CASE_FORM | {"genomic_entries": []}))
    (tmp_path / "b.json").write_text('{"case_id": 1')
    (tmp_path / "c.json").write_text(json.dumps([CASE_FORM | {"case_id": "11"}, {"features": []}, 5]))
    result = Face2GeneImporter().read(tmp_path)
    assert [case.id for _, case in result.cases] == ["11"]
    lines = [str(problem) for problem in result.problems if "dropped" in problem.message]
    assert lines == [
        "b.json, row 1: dropped: JSON that breaks off; is the file cut off? Fetch or export it again",
        "c.json, row 1, column 'case_id': dropped: '11' came before already; keep one",
        "c.json, row 2, column 'case_id': dropped: the case has no id; give it one",
        "c.json, row 3: dropped: '5' is no case; an object is needed",
    ]


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="has no JSON files; give a case file or a folder of them"):
        Face2GeneImporter().read(tmp_path)
    with pytest.raises(TableError, match="JSON that breaks off"):
        read(tmp_path, '{"case_data": {')
    with pytest.raises(TableError, match="No such file or directory"):
        Face2GeneImporter().read(tmp_path / "none.json")


def test_sniffing(tmp_path):
    importer = Face2GeneImporter()
    for name, content, own in (
        ("a.json", CASE_FORM, True),
        ("b.json", lab_form(), True),
        ("c.json", CASE_FORM | {"geneList": []}, False),
        ("d.json", {"id": "p", "phenotypicFeatures": []}, False),
    ):
        (tmp_path / name).write_text(json.dumps(content))
        assert importer.sniff(tmp_path / name) is own
    assert importer.sniff(tmp_path)
    assert not importer.sniff(tmp_path / "none")


def damaged(rng, value):
    """The same JSON with some values replaced by others of any type, or left out."""
    if rng.random() < 0.06:
        return rng.choice(
            [None, True, -1, 1e300, "", "x\ny", "HP:0000316", [], {}, [[]], [None], {"a": 1}, "\ud83d\ude00"]
        )
    if isinstance(value, dict):
        return {key: damaged(rng, item) for key, item in value.items() if rng.random() > 0.04}
    return [damaged(rng, item) for item in value] if isinstance(value, list) else value


def fuzz(importer, seeds, path, *, runs, seed):
    """Read damaged copies of files: only errors of ours, one line each. Returns how many gave a case."""
    rng = random.Random(seed)
    good = 0
    for _ in range(runs):
        text = json.dumps(damaged(rng, rng.choice(seeds)))
        if rng.random() < 0.2:
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(["", "{", "]", '"', "\\", "9" * 30, "\0"]) + text[at + rng.randrange(3) :]
        path.write_text(text)
        try:
            result = importer.read(path)
        except DeciFaceError as error:
            lines = [str(error)]
        else:
            lines = [str(problem) for problem in result.problems]
            good += bool(result.cases)
        assert all(len(line.splitlines()) == 1 for line in lines)
    return good


SEEDS = [CASE_FORM | {"genomic_entries": [ENTRY]}, lab_form(genomic_entries=[ENTRY, entry()])]


def test_damaged_files_give_cases_or_one_line(tmp_path):
    assert fuzz(Face2GeneImporter(), SEEDS, tmp_path / "a.json", runs=300, seed=1) > 150


@pytest.mark.slow
def test_three_thousand_damaged_files(tmp_path):
    assert fuzz(Face2GeneImporter(), SEEDS, tmp_path / "a.json", runs=3000, seed=2) > 1500
