"""Model files on this machine: cards, store, fetching, adding. No network is run here but to check a new one."""

from deciface.models.adding import add_model, check_network
from deciface.models.card import (
    ALIGNMENTS,
    CardView,
    Colour,
    Kind,
    Layout,
    ModelCard,
    Runtime,
    Source,
    card_fields,
    card_from,
)
from deciface.models.fetching import FetchResult, download_command, fetch
from deciface.models.store import ModelState, ModelStatus, ModelStore, default_root, shipped_cards

__all__ = [
    "ALIGNMENTS",
    "CardView",
    "Colour",
    "FetchResult",
    "Kind",
    "Layout",
    "ModelCard",
    "ModelState",
    "ModelStatus",
    "ModelStore",
    "Runtime",
    "Source",
    "add_model",
    "card_fields",
    "card_from",
    "check_network",
    "default_root",
    "download_command",
    "fetch",
    "shipped_cards",
]
