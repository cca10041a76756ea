"""`deciface bench simulate`: how long a cohort of 500 photos takes, and one face."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from deciface.benchmarks.result import Bench, Row, machine
from deciface.cases import Sex
from deciface.encoders import available_cores
from deciface.simulate import AppearanceModel, CohortPlan, simulate_cohort, simulate_face

PLAN = CohortPlan(patients_per_disorder=20, unaffected=50, photos=(2, 2))
"""250 people, 500 photos."""


def run() -> Bench:
    """Measure in a temporary folder."""
    model = AppearanceModel.shipped()
    times = []
    for seed in range(10):
        start = time.perf_counter()
        simulate_face(model, seed, sex=Sex.FEMALE, ancestry=model.ancestries[seed % 4], features={"hypertelorism": 2})
        times.append(time.perf_counter() - start)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        cohort = simulate_cohort(model, Path(folder) / "cohort", plan=PLAN, seed=1, workers=available_cores())
        seconds = time.perf_counter() - start
    return Bench(
        "simulate",
        machine(),
        (
            Row(f"cohort of {cohort.photos} photos, {available_cores()} cores", seconds, "s", "<= 180", seconds <= 180),
            Row("one face, 512 px, one process, median of 10", 1000 * float(np.median(times)), "ms"),
        ),
    )
