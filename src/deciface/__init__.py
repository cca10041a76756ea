"""DeciFace: how ethnic background influences the facial features of rare Mendelian disorders. Research use only."""

from deciface.cases.notice import RESEARCH_USE_ONLY

__version__ = "0.1.0"

__all__ = ["RESEARCH_USE_ONLY", "__version__"]
