"""Sex as tables and forms spell it. Pure functions."""

from __future__ import annotations

import unicodedata

from deciface.cases.people import Sex

_SPELLINGS = {
    Sex.FEMALE: "f female fem woman girl w weiblich frau mädchen 女 女性 女生 女童 女孩 女士",
    Sex.MALE: "m male man boy männlich maennlich mann junge 男 男性 男生 男童 男孩 男士",
    Sex.UNKNOWN: (
        "u unknown unknown_sex undetermined indeterminate unspecified n/a na nan none ? - . "
        "o other other_sex d divers diverse intersex unbekannt unbestimmt keine_angabe k.a. "
        "not_known not_stated not_recorded 不明 不詳 未知 未填 其他 雙性 双性"
    ),
}
_SEXES = {spelling: sex for sex, spellings in _SPELLINGS.items() for spelling in spellings.split()} | {"": Sex.UNKNOWN}


def parse_sex(text: str) -> Sex | None:
    """Sex from English, German and Chinese words and from the codes of Phenopackets and DICOM.

    Blank, unknown, and sexes other than the two (``other``, ``divers``) are `Sex.UNKNOWN`. None when not understood.
    Numbers are not: tables disagree on what 0, 1 and 2 mean.

    >>> [str(parse_sex(text)) for text in ("F", "weiblich", "男", "UNKNOWN_SEX", "", "1")]
    ['female', 'female', 'male', 'unknown', 'unknown', 'None']
    """
    return _SEXES.get("_".join(unicodedata.normalize("NFKC", text).casefold().split()))
