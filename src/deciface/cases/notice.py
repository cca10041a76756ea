"""Wording that stands everywhere from one constant."""

RESEARCH_USE_ONLY = "Research use only. Not a medical device: a ranking is a list of ideas to check, never a diagnosis."
SIMULATED = "simulated people: no real patient, no real disorder"
