"""Which rows belong to which patient, disorder and gene."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Diagnosis, Disorder

Indices = NDArray[np.intp]


@dataclass(frozen=True, order=True)
class GeneLabel:
    """What a row of the gene list is called.

    A disorder without a known gene enters the list under its own name, as in GestaltMatcher; `stands_for_disorder` is
    then True and `key` is the disorder's id.
    """

    key: str
    name: str
    stands_for_disorder: bool = False


def gene_labels(diagnoses: Iterable[Diagnosis]) -> tuple[GeneLabel, ...]:
    """All genes of all diagnoses, each once."""
    labels: dict[GeneLabel, None] = {}
    for diagnosis in diagnoses:
        for gene in diagnosis.genes:
            labels[GeneLabel(gene, gene)] = None
        if not diagnosis.genes:
            labels[GeneLabel(diagnosis.disorder.id, diagnosis.disorder.name, stands_for_disorder=True)] = None
    return tuple(labels)


def disorders_of(diagnoses: Iterable[Diagnosis]) -> tuple[Disorder, ...]:
    """All disorders, each id once."""
    return tuple({d.disorder.id: d.disorder for d in diagnoses}.values())


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows sorted into groups; a row may be in none or in several.

    Parameters
    ----------
    keys
        One per group, sorted.
    order
        Row numbers, group after group.
    starts
        (groups + 1,) where each group begins in `order`.
    """

    keys: tuple[str, ...]
    order: Indices
    starts: Indices

    @classmethod
    def of(cls, memberships: Sequence[Iterable[str]]) -> Groups:
        """From the keys of every row."""
        rows: dict[str, list[int]] = {}
        for row, keys in enumerate(memberships):
            for key in dict.fromkeys(keys):
                rows.setdefault(key, []).append(row)
        keys = tuple(sorted(rows))
        starts = np.cumsum([0, *(len(rows[key]) for key in keys)])
        order = np.array([row for key in keys for row in rows[key]], dtype=np.intp)
        return cls(keys, order, starts.astype(np.intp))

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, group: int) -> Indices:
        """Row numbers of one group."""
        return self.order[self.starts[group] : self.starts[group + 1]]

    @cached_property
    def number(self) -> dict[str, int]:
        """Group number by key."""
        return {key: i for i, key in enumerate(self.keys)}

    @cached_property
    def group_of_entry(self) -> Indices:
        """The group of every entry of `order`."""
        return np.repeat(np.arange(len(self.keys)), np.diff(self.starts))

    @cached_property
    def _by_row(self) -> tuple[Indices, Indices]:
        """Groups sorted by row, and where each row begins; rows after the last member have none."""
        by_row = np.argsort(self.order, kind="stable")
        rows = int(self.order.max(initial=-1)) + 1
        return self.group_of_entry[by_row], np.concatenate([[0], np.cumsum(np.bincount(self.order, minlength=rows))])

    def entries(self, rows: Indices) -> tuple[Indices, Indices]:
        """All memberships of some rows: (m,) positions in `rows` and (m,) groups."""
        groups, starts = self._by_row
        capped = np.minimum(rows, len(starts) - 1)
        begin = starts[capped]
        count = starts[np.minimum(rows + 1, len(starts) - 1)] - begin
        position = np.repeat(np.arange(len(rows)), count)
        within = np.arange(len(position)) - np.repeat(np.cumsum(count) - count, count)
        return position, groups[begin[position] + within]

    def of_rows(self, rows: Indices) -> set[int]:
        """All groups of some rows."""
        return {group for row in rows.tolist() for group in self.of_row.get(row, ())}

    @cached_property
    def of_row(self) -> dict[int, tuple[int, ...]]:
        """The groups of every row that has any."""
        found: dict[int, list[int]] = {}
        for row, group in zip(self.order.tolist(), self.group_of_entry.tolist(), strict=True):
            found.setdefault(row, []).append(group)
        return {row: tuple(groups) for row, groups in found.items()}
