"""Metadata of the GestaltMatcher Database (GMDB), out: a folder with image and syndrome tables.

One row per photo; a case without photos has no row. What is written is read back at once, and every field that differs
is counted and reported as lost. Consent is never widened: the two columns say no more than holds on the day of writing,
publications are left out where publication was not agreed to, and simulated people are marked in ``consent``.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from deciface.cases import Case, Photo, PhotoSource, PhotoView, Scope, Sex, TermState
from deciface.cases.ancestry_terms import to_gmdb
from deciface.errors import InputError
from deciface.formats.exchange import Written
from deciface.formats.gmdb_consent import SIMULATED_WORD, words_of
from deciface.formats.gmdb_in import GmdbImporter
from deciface.formats.gmdb_person import KEPT
from deciface.formats.gmdb_tables import COLUMNS, SYNDROME_COLUMNS, plain_cell
from deciface.formats.text import in_one_line
from deciface.formats.whole_folder import whole_folder

_VIEW_WORDS = {
    PhotoView.FRONTAL: "frontal",
    PhotoView.LEFT: "left profile",
    PhotoView.RIGHT: "right profile",
    PhotoView.OBLIQUE: "oblique",
    PhotoView.UNKNOWN: "",
}
_OMIM = re.compile(r"OMIM(PS)?:(\d{6})")


class GmdbExporter:
    """Writes image metadata as the GestaltMatcher Database hands them out.

    Parameters
    ----------
    clock
        Gives the time of writing: consents hold by the day.
    version
        For the file names: ``image_metadata_v1.0.tsv``.
    """

    name = "gmdb"

    def __init__(self, clock: Callable[[], dt.datetime], *, version: str = "1.0") -> None:
        self._clock = clock
        self._version = version

    def paths(self, target: Path) -> tuple[Path, ...]:
        """The folder."""
        return (target,)

    def write(self, cases: Sequence[Case], target: Path) -> Written:
        """Write cases into a new folder.

        Raises
        ------
        StorageError
            The target exists already, or cannot be written.
        InputError
            An id is not unique, or would not be read back as it is.
        """
        shown = [case for case in cases if case.photos]
        _check_ids(shown)
        on = self._clock().date()
        images, syndromes = f"image_metadata_v{self._version}.tsv", f"gmdb_syndromes_v{self._version}.tsv"
        rows = [row for case in shown for row in _rows(case, on)]
        with whole_folder(target) as folder:
            (folder / images).write_bytes(_table(COLUMNS, rows))
            (folder / syndromes).write_bytes(_table(SYNDROME_COLUMNS, _syndromes(shown)))
            read_back = {case.id: case for _, case in GmdbImporter().read(folder).cases}
        losses = Counter(field for case in shown for field in _lost(case, read_back[case.id]))
        lines = [
            f"{field} of {n} of {len(shown)} cases: not, or not wholly, held" for field, n in sorted(losses.items())
        ]
        if without := len(cases) - len(shown):
            lines.insert(0, f"{without} cases without photos: not written, a row is an image")
        return Written((target / images, target / syndromes), tuple(lines))


def _check_ids(cases: Sequence[Case]) -> None:
    seen: set[tuple[str, str]] = set()
    for case in cases:
        for column, name in (("patient_id", case.id), *(("image_id", photo.id) for photo in case.photos)):
            if not name.isprintable() or plain_cell(column, name) != name or not name:
                shown = in_one_line(name, 40)
                raise InputError(
                    f"'{shown}' cannot stand in {column}: blank, 'nan' and 12.0 are read otherwise; rename it"
                )
            if (column, name) in seen:
                raise InputError(f"{column} '{in_one_line(name, 40)}' is there twice; export each once")
            seen.add((column, name))


def _rows(case: Case, on: dt.date) -> Iterable[list[str]]:
    """One row per photo; cells about the person are the same in all."""
    category, sub_category = to_gmdb(case.patient.ancestry)
    kept = dict(reversed([(name, text) for name, text in case.as_written if name in KEPT]))
    consent, private = words_of(case.consents, on=on)
    if case.patient.simulated:
        consent, private = SIMULATED_WORD, ""
    states = ((TermState.PRESENT, "present_features"), (TermState.EXCLUDED, "absent_features"))
    person = {
        "patient_id": case.id,
        **kept,
        **_disorder_cells(case, kept),
        "gender": "" if case.patient.sex is Sex.UNKNOWN else str(case.patient.sex),
        "ethnicity_category": category,
        "ethnicity_sub_category": sub_category,
        "hgvs": _joined(description for variant in case.variants for description in variant.hgvs),
        "consent": consent,
        "private": private,
        **{name: _joined(p.term for p in case.phenotypes if p.state is state) for state, name in states},
    }
    published = any(consent.scope is Scope.PUBLICATION and consent.holds(on) for consent in case.consents)
    references = case.references if published else ()
    literature = any(photo.source is PhotoSource.LITERATURE for photo in case.photos)
    for photo in case.photos:
        cells = person | _photo_cells(photo)
        if not literature or photo.source is PhotoSource.LITERATURE:
            cells["pmid"] = _joined(r.removeprefix("PMID:") for r in references if r.startswith("PMID:"))
            cells["doi"] = _joined(r.removeprefix("doi:") for r in references if r.startswith("doi:"))
        yield [_one_line(cells.get(name, "")) for name in COLUMNS]


def _disorder_cells(case: Case, kept: dict[str, str]) -> dict[str, str]:
    matches = [_OMIM.fullmatch(diagnosis.disorder.id) for diagnosis in case.diagnoses]
    groups = [diagnosis.genes for diagnosis in case.diagnoses]
    genes = _joined(dict.fromkeys(gene for group in groups for gene in group))
    if len(groups) > 1 and all(len(group) <= 1 for group in groups) and any(groups):
        genes = ";".join(_cell(group[0]) if group else "" for group in groups)
    cells = {
        "disorder_names": _joined(diagnosis.disorder.name for diagnosis in case.diagnoses),
        "omim_ids": ";".join(f"{'PS' if m[1] else ''}{m[2]}" if m else "" for m in matches) if any(matches) else "",
        "gene_names": genes,
    }
    if len(case.diagnoses) == 1 and case.diagnoses[0].disorder.id.startswith("GMDB:"):
        internal = case.diagnoses[0].disorder.id.removeprefix("GMDB:")
        cells["internal_syndrome_id"] = kept.get("internal_syndrome_id", internal)
    return cells


def _photo_cells(photo: Photo) -> dict[str, str]:
    cells = {"image_id": photo.id, "filename": photo.file_name, "image_type": _VIEW_WORDS[photo.view]}
    if photo.age_years is not None:
        years = int(photo.age_years)
        months = round((photo.age_years - years) * 12)
        if years + months / 12 == photo.age_years:
            cells |= {"age_year": str(years), "age_month": str(months)}
        else:
            cells["age_year"] = f"{Decimal(repr(float(photo.age_years))):f}"
    return cells


def _cell(text: str) -> str:
    """One entry of a list within a cell, without the separator."""
    return _one_line(text).replace(";", ",").strip()


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _joined(texts: Iterable[str]) -> str:
    return ";".join(_cell(text) for text in texts)


def _syndromes(cases: Sequence[Case]) -> Iterable[list[str]]:
    """List disorders by their first mention; ``train`` stays blank: which images train a model is not known here."""
    having: dict[str, list[Case]] = {}
    names: dict[str, str] = {}
    for case in cases:
        for diagnosis in case.diagnoses:
            having.setdefault(diagnosis.disorder.id, []).append(case)
            names.setdefault(diagnosis.disorder.id, diagnosis.disorder.name)
    for number, (disorder, people) in enumerate(having.items(), start=1):
        images = [photo.id for case in people for photo in case.photos]
        omim = _OMIM.fullmatch(disorder)
        yield [
            str(number),
            _cell(names[disorder]),
            _joined(images),
            _joined(case.id for case in people),
            str(len(images)),
            str(len(people)),
            "",
            f"{'PS' if omim[1] else ''}{omim[2]}" if omim else "",
        ]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue().encode()


def _lost(case: Case, read_back: Case) -> list[str]:
    """Names of the fields that were not read back equal; the order of features and publications is not kept."""
    lost = []
    for name in (field.name for field in dataclasses.fields(Case)):
        ours, theirs = getattr(case, name), getattr(read_back, name)
        if name == "patient":
            lost += [f.name for f in dataclasses.fields(ours) if getattr(ours, f.name) != getattr(theirs, f.name)]
        elif name == "photos":
            lost += sorted({f for a, b in zip(ours, theirs, strict=True) for f in _lost_of_photo(a, b)})
        elif name in ("phenotypes", "references"):
            lost += [name] if sorted(map(str, ours)) != sorted(map(str, theirs)) else []
        elif ours != theirs:
            lost.append(name)
    return lost


def _lost_of_photo(ours: Photo, theirs: Photo) -> list[str]:
    names = ("sha256", "age_years", "view", "source", "occlusions", "file_name", "replaces")
    return [f"photo {name}" for name in names if getattr(ours, name) != getattr(theirs, name)]
