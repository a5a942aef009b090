"""Modalities: what users bring, turned into batches and back, in user units. The last one imported is asked first."""

import latently.modalities.lean  # noqa: F401  # isort: skip  (before anything loads scikit-learn)
from latently.modalities.base import Modality
from latently.modalities.table import Table

from latently.modalities.image import Image  # isort: skip  (asked before tables, which take what is left)
from latently.modalities.series import Series  # isort: skip
from latently.modalities.text import Text  # isort: skip
from latently.modalities.audio import Audio  # isort: skip

from latently.modalities.binned import Binned  # isort: skip  (these answer to no data, only to jobs)
from latently.modalities.directed import Directed  # isort: skip
from latently.modalities.blocks import Blocks  # isort: skip
from latently.modalities.crops import Crops  # isort: skip
from latently.modalities.embedded import Embedded  # isort: skip
from latently.modalities.pieces import Pieces  # isort: skip
from latently.modalities.snippets import Snippets  # isort: skip
from latently.modalities.spectra import Spectra  # isort: skip
from latently.modalities.spells import Spells  # isort: skip
from latently.modalities.textures import Textured, Textures  # isort: skip

__all__ = [
    "Audio", "Binned", "Blocks", "Crops", "Directed", "Embedded", "Image", "Modality", "Pieces", "Series", "Snippets",
    "Spectra", "Spells", "Table", "Text", "Textured", "Textures",
]  # fmt: skip
