"""Modalities: what users bring, turned into batches and back, in user units."""

from latently.modalities.base import Modality
from latently.modalities.table import Table

from latently.modalities.image import Image  # isort: skip  (asked before tables, which take what is left)

from latently.modalities.blocks import Blocks
from latently.modalities.crops import Crops
from latently.modalities.embedded import Embedded
from latently.modalities.pieces import Pieces
from latently.modalities.text import Text
from latently.modalities.textures import Textures

__all__ = ["Blocks", "Crops", "Embedded", "Image", "Modality", "Pieces", "Table", "Text", "Textures"]
