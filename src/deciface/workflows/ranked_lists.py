"""Ranked disorders, genes and patients in plain types, the same in every answer."""

from __future__ import annotations

from typing import Any

from deciface.space import Ranking


def ranked_lists(ranking: Ranking) -> dict[str, Any]:
    """The lists ``disorders``, ``genes`` and ``patients`` of a ranking."""
    return {
        "disorders": [
            {
                "rank": d.rank,
                "id": d.disorder.id,
                "name": d.disorder.name,
                "distance": d.distance,
                "patients": d.patients,
                "photos": d.photos,
                "simulated": d.simulated,
            }
            for d in ranking.disorders
        ],
        "genes": [
            {"rank": g.rank, "gene": g.gene, "no_gene_known": g.stands_for_disorder, "distance": g.distance}
            for g in ranking.genes
        ],
        "patients": [
            {"rank": p.rank, "patient": p.patient_id, "distance": p.distance, "ancestry": p.ancestry}
            for p in ranking.patients
        ],
    }
