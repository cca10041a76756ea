"""The Clinical Face Phenotype Space: galleries, exact ranking, unusualness.

>>> import numpy as np
>>> from deciface.cases import Diagnosis, Disorder, Encoding, Patient, Photo, View
>>> from deciface.space import Gallery, Query, rank
>>> sotos = Diagnosis(Disorder("OMIM:117550", "Sotos syndrome"), ("NSD1",))
>>> photos = [Photo("a", Patient("p1"), "aa", diagnoses=(sotos,)), Photo("b", Patient("p2"), "bb", unaffected=True)]
>>> def encoded(photo_id, sha256, vector):
...     return Encoding(photo_id, sha256, "crop/1", "e" * 64, View("demo"), np.array(vector, np.float32))
>>> gallery = Gallery.build(photos, [encoded("a", "aa", [1, 0]), encoded("b", "bb", [0, 1])])
>>> answer = rank(gallery, Query.of([encoded("q", "qq", [0.6, 0.8])]))
>>> [(hit.photo_id, hit.distance) for hit in answer.photos]
[('b', 0.2), ('a', 0.4)]
>>> [(hit.disorder.name, hit.distance, hit.patients) for hit in answer.disorders]
[('Sotos syndrome', 0.4, 1)]
"""

from deciface.space.answer import (
    DisorderHit,
    GeneHit,
    LeftOut,
    PatientHit,
    PhotoHit,
    Ranking,
    Reason,
    Rule,
)
from deciface.space.gallery import Gallery
from deciface.space.query import Query
from deciface.space.ranking import rank
from deciface.space.restriction import Composition, Restriction
from deciface.space.unusual import Unusualness, Verdict, unusualness
from deciface.space.unusual_background import Background, Covariate
from deciface.space.unusual_syndromic import SyndromicEvidence, syndromic_evidence

__all__ = [
    "Background",
    "Composition",
    "Covariate",
    "DisorderHit",
    "Gallery",
    "GeneHit",
    "LeftOut",
    "PatientHit",
    "PhotoHit",
    "Query",
    "Ranking",
    "Reason",
    "Restriction",
    "Rule",
    "SyndromicEvidence",
    "Unusualness",
    "Verdict",
    "rank",
    "syndromic_evidence",
    "unusualness",
]
