"""Modalities: what users bring, turned into batches and back, in user units."""

from latently.modalities.base import Modality
from latently.modalities.table import Table

__all__ = ["Modality", "Table"]
