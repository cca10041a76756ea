"""Faces and cohorts of simulated people with known truth, and the same planted features in photos of real ones.

The shipped appearance model was learnt from the Face Research Lab London Set (DeBruine & Jones 2017, CC BY 4.0,
changed); see `data/appearance.card.yaml`. Nobody in that set is shown by anything made here.
"""

from deciface.simulate.appearance import AppearanceModel, Identity
from deciface.simulate.cohort import Cohort, CohortPlan, simulate_cohort
from deciface.simulate.faces import Person, SimulatedFace, TruthRecord, simulate_face, simulate_person
from deciface.simulate.features import FEATURES, Feature, hpo_terms
from deciface.simulate.fitting import PersonGroup, fit
from deciface.simulate.nuisance import FRONTAL, Nuisance, draw_nuisance
from deciface.simulate.plant import PhotoAnchors, PlantedTruth, warp_photo
from deciface.simulate.syndromes import DISORDERS, SimulatedDisorder, disorder
from deciface.simulate.template import Anchors, EyeFrame, read_template

__all__ = [
    "DISORDERS",
    "FEATURES",
    "FRONTAL",
    "Anchors",
    "AppearanceModel",
    "Cohort",
    "CohortPlan",
    "EyeFrame",
    "Feature",
    "Identity",
    "Nuisance",
    "Person",
    "PersonGroup",
    "PhotoAnchors",
    "PlantedTruth",
    "SimulatedDisorder",
    "SimulatedFace",
    "TruthRecord",
    "disorder",
    "draw_nuisance",
    "fit",
    "hpo_terms",
    "read_template",
    "simulate_cohort",
    "simulate_face",
    "simulate_person",
    "warp_photo",
]
