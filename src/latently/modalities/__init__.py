"""Modalities: what users bring, turned into batches and back, in user units."""

from latently.modalities.base import Modality
from latently.modalities.table import Table

from latently.modalities.image import Image  # isort: skip  (asked before tables, which take what is left)

from latently.modalities.blocks import Blocks
from latently.modalities.crops import Crops
from latently.modalities.textures import Textured, Textures

from latently.modalities.series import Series  # isort: skip  (asked before images)
from latently.modalities.audio import Audio  # isort: skip  (files of sound)
from latently.modalities.spectra import Spectra  # isort: skip

__all__ = ["Audio", "Blocks", "Crops", "Image", "Modality", "Series", "Spectra", "Table", "Textured", "Textures"]
