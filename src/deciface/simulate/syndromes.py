"""Simulated disorders: three planted features each. None of them stands for a real disorder."""

from __future__ import annotations

from dataclasses import dataclass

from deciface.errors import OptionError


@dataclass(frozen=True, slots=True)
class SimulatedDisorder:
    """A simulated disorder.

    Parameters
    ----------
    id, name, gene
        E.g. 'SIM-01', 'SIM-01 (simulated)', 'SIMG01'.
    features
        Feature name -> direction and weight in units of the severity, e.g. -1.0 for the opposite.
    """

    id: str
    name: str
    gene: str
    features: dict[str, float]


def _disorder(number: int, features: dict[str, float]) -> SimulatedDisorder:
    return SimulatedDisorder(f"SIM-{number:02d}", f"SIM-{number:02d} (simulated)", f"SIMG{number:02d}", features)


DISORDERS: tuple[SimulatedDisorder, ...] = (
    _disorder(1, {"hypertelorism": 1, "upslanted_fissures": -1, "low_set_ears": 1}),
    _disorder(2, {"upslanted_fissures": 1, "epicanthus": 1, "depressed_nasal_bridge": 1}),
    _disorder(3, {"long_philtrum": 1, "thick_upper_lip": -1, "long_fissures": -1}),
    _disorder(4, {"tall_chin": -1, "upslanted_fissures": -1, "low_set_ears": 1}),
    _disorder(5, {"wide_mouth": 1, "thick_lower_lip": 1, "long_philtrum": 1}),
    _disorder(6, {"wide_nose": 1, "thick_upper_lip": -1, "long_fissures": 1}),
    _disorder(7, {"hypertelorism": -1, "wide_nose": -1, "long_philtrum": -1}),
    _disorder(8, {"wide_nasal_bridge": 1, "wide_nose": 1, "wide_mouth": -1}),
    _disorder(9, {"narrow_fissures": 1, "long_fissures": -1, "epicanthus": 1}),
    _disorder(10, {"hypertelorism": 1, "tall_chin": -1, "thick_lower_lip": -1}),
    _disorder(11, {"telecanthus": 1, "thick_upper_lip": 1, "wide_mouth": -1}),
    _disorder(12, {"tall_chin": 1, "wide_nasal_bridge": -1, "thick_lower_lip": 1}),
)


def disorder(disorder_id: str) -> SimulatedDisorder:
    """Look a simulated disorder up.

    Raises
    ------
    OptionError
        If there is none with this id.
    """
    for candidate in DISORDERS:
        if candidate.id == disorder_id:
            return candidate
    raise OptionError(
        f"disorder '{disorder_id}'; simulated are {DISORDERS[0].id} to {DISORDERS[-1].id}; choose from these"
    )
