"""Maps of what in a face speaks for a disorder, and what against it.

Everything takes an `Encode`, a callable from aligned crops to unit rows, and never an encoder by name.

>>> import numpy as np
>>> from deciface.explain import Contrast, occlusion_map
>>> def encode(crops):  # sees how bright the upper left quarter is, and nothing else
...     angle = crops[:, :20, :20].mean(axis=(1, 2, 3)) / 255
...     return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
>>> patients, controls = np.full((5, 40, 40, 3), 250, np.uint8), np.full((9, 40, 40, 3), 50, np.uint8)
>>> contrast = Contrast.between(encode(patients), encode(controls))
>>> seen = occlusion_map(encode, patients[0], filling=controls[0], contrast=contrast)
>>> max(seen.peak_px) < 20
True
"""

from deciface.explain.composites import Contrast, Encode, blend, mean_face
from deciface.explain.gradient import gradient_map
from deciface.explain.matching import Matched, match_controls
from deciface.explain.occlusion import OcclusionMap, occlusion_map
from deciface.explain.regions import OUTLINES, Regions, regions_of
from deciface.explain.similarity import RegionSimilarity, Verdict, region_vectors, regional_similarity
from deciface.explain.standing import Standing, Tail, standings

__all__ = [
    "OUTLINES",
    "Contrast",
    "Encode",
    "Matched",
    "OcclusionMap",
    "RegionSimilarity",
    "Regions",
    "Standing",
    "Tail",
    "Verdict",
    "blend",
    "gradient_map",
    "match_controls",
    "mean_face",
    "occlusion_map",
    "region_vectors",
    "regional_similarity",
    "regions_of",
    "standings",
]
