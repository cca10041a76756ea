"""The rows of one person in GMDB's image metadata as a case.

Lists within a cell are separated by ``;``. With one disorder all genes are its genes; with several, as many genes as
disorders belong to them one by one (a blank keeps its place), any other number belongs to all. A disorder without an
OMIM number is called ``GMDB:`` and its internal number. Every diagnosis is clinical: the table does not say how a
variant was classified. What is protein-level in ``hgvs`` belongs to the description before it. The class a case was
trained and evaluated under (``internal_syndrome_*``) and Entrez numbers are kept in `Case.as_written`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from deciface.cases import (
    Case,
    Diagnosis,
    Disorder,
    Patient,
    Phenotype,
    PhotoSource,
    PhotoView,
    Sex,
    TermState,
    Variant,
)
from deciface.cases.ancestry_terms import from_gmdb
from deciface.cases.identifiers import disorder_id, hgvs, hpo_id
from deciface.cases.sexes import parse_sex
from deciface.formats.gmdb_consent import Openness, consents_of
from deciface.formats.text import in_one_line

PERSONAL = (
    "gene_names",
    "gene_entrez_ids",
    "disorder_names",
    "omim_ids",
    "internal_syndrome_id",
    "internal_syndrome_name",
    "gender",
    "ethnicity_category",
    "ethnicity_sub_category",
    "present_features",
    "absent_features",
    "hgvs",
)
"""Columns about the person; all rows of a person should say the same."""
KEPT = ("internal_syndrome_id", "internal_syndrome_name", "gene_entrez_ids")
"""Columns that a case has no field for; they are kept as written, and written again."""

Tell = Callable[[int, str, str], None]


@dataclass
class PhotoRow:
    """One image of a person."""

    row: int
    image_id: str
    file_name: str
    age_years: float | None
    view: PhotoView
    source: PhotoSource


@dataclass
class Person:
    """What the rows of one person said: by column the first words and their row."""

    id: str
    row: int
    said: dict[str, tuple[str, int]] = field(default_factory=dict)
    photos: list[PhotoRow] = field(default_factory=list)
    references: dict[str, None] = field(default_factory=dict)
    open_to: Openness = Openness.UNHEARD
    simulated: bool = False

    def hear(self, row: int, cells: dict[str, str], tell: Tell) -> None:
        """Take up the personal columns of a row; the first statement counts, another one is told."""
        for name in PERSONAL:
            text = cells.get(name)
            if not text:
                continue
            first, where = self.said.setdefault(name, (text, row))
            if text != first:
                here, there = in_one_line(text, 40), in_one_line(first, 40)
                tell(row, name, f"'{here}' here and '{there}' in row {where} of the same patient; taken as there")

    def case(self, tell: Tell) -> Case:
        """Make the case, once all rows were heard."""
        reading = _Reading(self, tell)
        diagnoses = reading.diagnoses()
        category, sub_category = (
            self.said.get(f"ethnicity_{name}", ("", 0))[0] for name in ("category", "sub_category")
        )
        case = Case(
            Patient(self.id, reading.sex(), from_gmdb(category, sub_category), simulated=self.simulated),
            diagnoses=diagnoses,
            phenotypes=reading.phenotypes(),
            variants=reading.variants(tuple(dict.fromkeys(gene for d in diagnoses for gene in d.genes))),
            consents=consents_of(self.open_to, tuple(self.references)),
            references=tuple(self.references),
        )
        case = replace(case, as_written=(*reading.as_written, *((n, self.said[n][0]) for n in KEPT if n in self.said)))
        return case.with_photos(
            case.photo(
                photo.image_id,
                age_years=photo.age_years,
                view=photo.view,
                source=photo.source,
                file_name=photo.file_name,
            )
            for photo in self.photos
        )


class _Reading:
    """Reads the personal columns of one person."""

    def __init__(self, person: Person, tell: Tell) -> None:
        self._said = person.said
        self._tell = tell
        self.as_written: list[tuple[str, str]] = []

    def _cell(self, name: str) -> tuple[str, int]:
        return self._said.get(name, ("", 0))

    def _list(self, name: str) -> list[str]:
        text, _ = self._cell(name)
        return [part.strip() for part in text.split(";")] if text else []

    def _amiss(self, name: str, message: str) -> None:
        """Tell, and keep the whole cell once."""
        text, row = self._cell(name)
        self._tell(row, name, message)
        self._keep(name, text)

    def _keep(self, name: str, text: str) -> None:
        if (name, text) not in self.as_written:
            self.as_written.append((name, text))

    def sex(self) -> Sex:
        text, _ = self._cell("gender")
        sex = parse_sex(text)
        if sex is None:
            self._amiss("gender", f"'{in_one_line(text, 40)}' is taken as unknown; write female, male or unknown")
        elif text and text.casefold() != sex:
            self._keep("gender", text)
        return sex or Sex.UNKNOWN

    def diagnoses(self) -> tuple[Diagnosis, ...]:
        names, ids, genes = self._list("disorder_names"), self._list("omim_ids"), self._list("gene_names")
        if names and ids and len(names) != len(ids):
            self._amiss("disorder_names", f"{len(names)} names for {len(ids)} OMIM ids, left out; give one for each")
            names = []
        count = max(len(names), len(ids))
        if not count and genes:
            self._amiss("gene_names", "left out because there is no disorder; give one")
        disorders = [
            self._disorder(ids[i] if ids else "", names[i] if names else "", alone=count == 1) for i in range(count)
        ]
        paired = count > 1 and len(genes) == count
        found: dict[str, Diagnosis] = {}
        for i, disorder in enumerate(disorders):
            mine = tuple(dict.fromkeys(filter(None, [genes[i]] if paired else genes)))
            if disorder is not None and disorder.id in found:
                self._amiss("omim_ids", f"{disorder.id} stands there twice; the first is taken, delete one")
            elif disorder is not None:
                found[disorder.id] = Diagnosis(disorder, mine)
        return tuple(found.values())

    def _disorder(self, omim: str, name: str, *, alone: bool) -> Disorder | None:
        if omim:
            known = disorder_id(omim)
            if known is None:
                self._amiss("omim_ids", f"'{in_one_line(omim, 40)}' is no OMIM number, taken as it stands; check it")
            return Disorder(known or omim, name or known or omim)
        if not name:
            return None
        internal, _ = self._cell("internal_syndrome_id")
        if alone and internal:
            return Disorder(f"GMDB:{internal}", name)
        _, row = self._cell("disorder_names")
        shown = in_one_line(name, 40)
        self._tell(row, "omim_ids", f"'{shown}' has no OMIM number; its name stands for its id: give the number")
        return Disorder(name, name)

    def phenotypes(self) -> tuple[Phenotype, ...]:
        found: dict[str, TermState] = {}
        for name, state in (("present_features", TermState.PRESENT), ("absent_features", TermState.EXCLUDED)):
            for text in filter(None, self._list(name)):
                term = hpo_id(text)
                if term is None:
                    self._amiss(name, f"'{in_one_line(text, 40)}' is left out; write an HPO id such as HP:0000316")
                elif found.setdefault(term, state) is not state:
                    self._amiss(name, f"{term} is both present and absent; taken as present, correct one")
        return tuple(Phenotype(term, state) for term, state in found.items())

    def variants(self, genes: tuple[str, ...]) -> tuple[Variant, ...]:
        gene = genes[0] if len(genes) == 1 else ""
        groups: list[list[str]] = []
        for text in filter(None, self._list("hgvs")):
            description = hgvs(text)
            if description is None:
                self._amiss("hgvs", f"'{in_one_line(text, 60)}' is no HGVS description, left out; correct it")
                continue
            if description != text:
                self._keep("hgvs", self._cell("hgvs")[0])
            if is_protein(description) and groups and not is_protein(groups[-1][-1]):
                groups[-1].append(description)
            else:
                groups.append([description])
        return tuple(Variant(gene=gene, hgvs=tuple(group)) for group in groups)


def is_protein(description: str) -> bool:
    """Whether an HGVS description is at protein level.

    >>> is_protein("NP_1.1:p.Gly1Ala"), is_protein("c.1A>G")
    (True, False)
    """
    return description.rpartition(":")[2].startswith("p.")
