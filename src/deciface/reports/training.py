"""The report of a training: who was learnt from, how it went, and how the model does on people it never saw."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deciface.errors import OptionError
from deciface.evaluation.accuracy import Figure
from deciface.figures.accuracy import Bar, accuracy_bars
from deciface.figures.chart import interval_text, percent
from deciface.figures.training import EpochPoint, kept_epoch, training_curves
from deciface.reports.page import Head, Pairs, render_page

LISTED = 15
"""Disorders and ancestries that are listed one by one."""


@dataclass(frozen=True, slots=True)
class FoldSize:
    """What one fold learns from, chooses the epoch on, and is tested on; nobody is in two.

    Parameters
    ----------
    chosen_patients, chosen_photos
        0 where those who choose the epoch are no people of the cohort.
    """

    name: str
    learnt_patients: int
    learnt_photos: int
    held_out_patients: int
    held_out_photos: int
    chosen_patients: int = 0
    chosen_photos: int = 0


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Who was learnt from.

    Parameters
    ----------
    patients, photos
        In all.
    by_class, by_ancestry, by_sex, by_age
        Patients of every class (by name), ancestry, sex and age band in years, in its order (somebody may have photos
        of several). Empty where it is not told.
    left_out
        What was not used, each with the reason: classes with one patient, photos without a face.
    folds
        One or more; empty where all was learnt from and nothing held out.
    balanced
        Whether each ancestry was drawn as often as any other.
    """

    patients: int
    photos: int
    by_class: Mapping[str, int]
    by_ancestry: Mapping[str, int]
    left_out: tuple[str, ...] = ()
    folds: tuple[FoldSize, ...] = ()
    balanced: bool = False
    by_sex: Mapping[str, int] = field(default_factory=dict)
    by_age: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Curves:
    """The epochs of one training run: a fold, a region, or the final model.

    Parameters
    ----------
    measures, unit
        Which are drawn (all when empty) and their unit; see `deciface.figures.training.training_curves`.
    """

    name: str
    epochs: Sequence[EpochPoint]
    measures: tuple[str, ...] = ()
    unit: str = "score"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One measure on people that the model never saw, beside other encoders on the same people.

    Parameters
    ----------
    measure, people
        What, and on whom: "top-1 of ten, unseen disorders".
    patients
        How many.
    values
        By name of the model; the trained one first, all with intervals over patients.
    chance
        Of a random order; None where it has no meaning.
    """

    measure: str
    people: str
    patients: int
    values: Mapping[str, Figure]
    chance: float | None = None


@dataclass(frozen=True, eq=False)
class TrainingReport:
    """Everything on the page.

    Parameters
    ----------
    head
        What stands around the results; its provenance is the run manifest: data digest, seed, versions.
    data, curves, held_out
        Who was learnt from, how it went, how it does.
    held_out_elsewhere
        Where people that the model never saw are tested, when not here.
    recipe
        Labels and values: stages, rates, patience, augmentation.
    card
        Labels and values of the card that was written beside the model.
    """

    head: Head
    data: TrainingData
    curves: tuple[Curves, ...]
    held_out: tuple[HeldOut, ...]
    recipe: Pairs
    card: Pairs
    limits: tuple[str, ...] = field(default_factory=tuple)
    held_out_elsewhere: str = ""


def render(report: TrainingReport, *, now: dt.datetime) -> str:
    """Render the page as one self-contained HTML document.

    Raises
    ------
    OptionError
        No curves, or a run without an epoch.
    """
    if not report.curves:
        raise OptionError("no training run; give the curves of at least one")
    models = list(dict.fromkeys(name for row in report.held_out for name in row.values))
    return render_page(
        "training",
        report.head,
        now=now,
        report=report,
        **learning(report.data, report.curves),
        models=models,
        held_out=[_row(row, models) for row in report.held_out],
        bars=_bars(report.held_out),
    )


def learning(data: TrainingData, curves: Sequence[Curves]) -> dict[str, Any]:
    """What `learning.html.j2` names: who was learnt from and how it went, for every page that shows them."""
    people = "patients" if data.by_class else "people"
    tables = [
        (name, sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        for name, counts in (("Class", data.by_class), ("Ancestry", data.by_ancestry), ("Sex", data.by_sex))
    ]
    tables.append(("Age in the photo, years", list(data.by_age.items())))
    return {
        "data": data,
        "people": people,
        "fewest": min(data.by_class.values(), default=0),
        "choosing": any(fold.chosen_patients for fold in data.folds),
        "groups": [(name, rows[:LISTED], max(0, len(rows) - LISTED)) for name, rows in tables if rows],
        "runs": [_run(number, one) for number, one in enumerate(curves)],
    }


def _run(number: int, curves: Curves) -> dict[str, Any]:
    last, kept = curves.epochs[-1] if curves.epochs else None, kept_epoch(curves.epochs)
    return {
        "name": curves.name,
        "chart": training_curves(curves.epochs, name=f"curves{number}", measures=curves.measures, unit=curves.unit),
        "epochs": last.number if last else 0,
        "kept": kept.number if kept else None,
        "measures": [(name, f"{value:.3f}") for name, value in kept.measures.items()] if kept else [],
    }


def _row(row: HeldOut, models: Sequence[str]) -> dict[str, Any]:
    return {
        "measure": row.measure,
        "people": row.people,
        "patients": row.patients,
        "chance": "" if row.chance is None else percent(row.chance),
        "cells": [
            (f"{100 * row.values[m].value:.1f} %", interval_text(row.values[m].interval), row.values[m].method)
            if m in row.values
            else ("", "", "")
            for m in models
        ],
    }


def _bars(held_out: Sequence[HeldOut]) -> str | None:
    """All measures in one chart, a heading each, a bar a model; None where nothing was held out."""
    bars = [
        Bar(name, f"{row.measure}, {row.people}", figure.value, figure.interval, row.patients)
        for row in held_out
        for name, figure in row.values.items()
    ]
    return accuracy_bars(bars, name="held-out", measure="share of held-out patients") if bars else None
