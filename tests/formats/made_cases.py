"""Cases of every kind, made by hypothesis: whatever the types allow."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from hypothesis import strategies as st

from deciface.cases import (
    NOT_STATED,
    Ancestry,
    AncestrySource,
    Case,
    Consent,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Participant,
    Patient,
    Phenotype,
    PhotoSource,
    PhotoView,
    Scope,
    Sex,
    Side,
    Signer,
    TermState,
    Variant,
    VitalStatus,
    Zygosity,
)

WORDS = st.text(max_size=12)
IDS = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12)
DAYS = st.none() | st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))
TRUTHS = st.none() | st.booleans()
TERMS = st.sampled_from(("HP:0000316", "HP:0001249", "HP:0000252", "0000316", "hp_0000316")) | WORDS
WHEN = st.none() | st.sampled_from(("P4Y6M", "P18M", "HP:0011463", "13w0d", "99w9d", "P200Y", "Pfoo", "HP:x")) | WORDS
GENES = st.sampled_from(("FGFR2", "CTNNB1", "")) | WORDS
HGVS = st.sampled_from(("NM_024666.5:c.174del", "NP_078942.3:p.(Asn59IlefsTer51)", "c.1 A>G", "NC_1.1:g.5del")) | WORDS
REFERENCES = st.sampled_from(("PMID:24573067", "doi:10.1000/xyz", "pmid 24573067")) | WORDS


def tuples(of, most=3):
    return st.lists(of, max_size=most).map(tuple)


ANCESTRIES = st.builds(Ancestry, WORDS, st.sampled_from(Side), st.sampled_from(AncestrySource), st.none() | WORDS)
PATIENTS = st.builds(
    Patient,
    IDS,
    st.sampled_from(Sex),
    tuples(ANCESTRIES),
    st.none() | st.sampled_from(("TW", "DE", "")),
    st.booleans(),
    st.none() | st.sampled_from(("TW", "JP")),
    st.none() | WORDS,
)
DISORDERS = st.builds(Disorder, st.sampled_from(("OMIM:148600", "ORPHA:821", "MIM 148600", "SITE:1")) | WORDS, WORDS)
DIAGNOSES = st.builds(Diagnosis, DISORDERS, tuples(GENES), st.sampled_from(DiagnosisStatus), DAYS, WHEN)
PHENOTYPES = st.builds(Phenotype, TERMS, st.sampled_from(TermState), WHEN, st.none() | TERMS, tuples(TERMS, 2), WORDS)
VARIANTS = st.builds(
    Variant,
    GENES,
    WORDS,
    tuples(HGVS),
    WORDS,
    WORDS,
    st.none() | st.integers(-2, 2**63),
    WORDS,
    WORDS,
    st.sampled_from(Zygosity),
    st.sampled_from(("PATHOGENIC", "LIKELY_PATHOGENIC", "BENIGN", "NOT_PROVIDED", "")) | WORDS,
    WORDS,
    WORDS,
)
CONSENTS = st.builds(
    Consent, st.sampled_from(Scope), st.none() | WORDS, WORDS, WORDS, st.sampled_from(Signer), DAYS, DAYS, WORDS
)
PARTICIPANTS = st.builds(Participant, WORDS, TRUTHS, TRUTHS, TRUTHS, DAYS)
PHOTOS = st.fixed_dictionaries(
    {
        "sha256": st.sampled_from((NOT_STATED, "ab" * 32, "AB" * 32)) | WORDS,
        "age_years": st.none() | st.sampled_from((0.0, 1.5, 4.3)) | st.floats(0, 130),
        "view": st.sampled_from(PhotoView),
        "source": st.sampled_from(PhotoSource),
        "occlusions": tuples(WORDS, 2),
        "file_name": st.sampled_from(("", "a/b.png", "ä b.png", "/x.png", "../x.png", "c:d?e#f.png")) | WORDS,
        "replaces": st.none() | IDS,
    }
)


@st.composite
def cases(draw):
    """Any case; its photos carry what is the case's."""
    case = draw(
        st.builds(
            Case,
            PATIENTS,
            tuples(DIAGNOSES),
            tuples(PHENOTYPES),
            tuples(VARIANTS),
            st.booleans(),
            tuples(CONSENTS),
            st.just(()),
            st.none() | PARTICIPANTS,
            WHEN,
            st.sampled_from(VitalStatus),
            tuples(REFERENCES),
            tuples(WORDS),
            WORDS,
            tuples(st.tuples(WORDS, WORDS)),
        )
    )
    ids = draw(st.lists(IDS, max_size=3, unique=True))
    return case.with_photos(case.photo(photo_id, **draw(PHOTOS)) for photo_id in ids)


@st.composite
def several_cases(draw):
    """Up to three cases; ids of people and photos are unique over all."""
    found = draw(st.lists(cases(), max_size=3, unique_by=lambda case: case.id))
    seen: set[str] = set()
    result = []
    for case in found:
        kept = [photo for photo in case.photos if photo.id not in seen]
        seen |= {photo.id for photo in kept}
        result.append(replace(case, photos=tuple(kept)))
    return result
