"""What is done to cases before they are imported: consents that are vouched for, features found by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from deciface.cases import Case, Consent, Phenotype, TermState
from deciface.ontology import HpoTerms
from deciface.store import Workspace


@dataclass
class Remarks:
    """What is said about a source on the way: `notes` to look at, `problems` to correct; one line each."""

    name: str
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def note(self, row: int, message: str) -> None:
        """Say something worth knowing about a row."""
        self.notes.append(f"{self.name}, row {row}: {message}")

    def problem(self, row: int, message: str) -> None:
        """Say what was not taken as it stands."""
        self.problems.append(f"{self.name}, row {row}: {message}")


def with_vouched(
    cases: Sequence[tuple[int, Case]], vouched: Sequence[Consent], workspace: Workspace
) -> list[tuple[int, Case]]:
    """Give consents that the user vouches for to real people of whom neither source nor workspace ever had any.

    Whoever has a consent recorded, even one that was withdrawn since, has spoken for themselves.
    """
    asked = {case.id for _, case in cases if not case.consents and not case.patient.simulated} if vouched else set()
    asked -= {case.id for case in workspace.cases(ids=asked) if case.consents} if asked else set()
    return [(row, replace(case, consents=tuple(vouched)) if case.id in asked else case) for row, case in cases]


def with_current_features(case: Case, row: int, terms: HpoTerms, remarks: Remarks) -> Case:
    """Bring replaced HPO ids up to date and find features that were written by name."""
    found: dict[str, Phenotype] = {}
    for phenotype in case.phenotypes:
        now = terms.find(phenotype.term)
        if now is None:
            remarks.problem(row, f"{phenotype.term} is not in {terms.release}; kept as it is")
        elif now.note:
            remarks.note(row, now.note)
        _take(found, replace(phenotype, term=now.id if now else phenotype.term), row, remarks)
    for where, text in case.as_written:
        named = terms.find(text.lstrip("!-").strip()) if where == "hpo" else None
        if named is None:
            continue
        state = TermState.EXCLUDED if text.startswith(("!", "-")) else TermState.PRESENT
        if _take(found, Phenotype(named.id, state, label=named.name), row, remarks):
            remarks.note(row, f"'{text}' was taken as {named.id} {named.name}")
    return replace(case, phenotypes=tuple(found.values())).with_photos(case.photos)


def _take(found: dict[str, Phenotype], phenotype: Phenotype, row: int, remarks: Remarks) -> bool:
    """Keep a feature unless it is there; False, and a problem where the two contradict each other."""
    known = found.setdefault(phenotype.term, phenotype)
    if known is not phenotype and known.state is not phenotype.state:
        remarks.problem(
            row,
            f"{phenotype.term} is {phenotype.state} here and {known.state} before, taken as {known.state}; correct one",
        )
    return known is phenotype
