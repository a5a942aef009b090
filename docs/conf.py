"""Sphinx: MyST pages, the furo theme, docstrings read from the installed package. Nothing is fetched."""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for notebook_page

project = "latently"
author = "The Latently authors"
project_copyright = "The Latently authors"
release = metadata.version("latently")

extensions = [
    "myst_parser",
    "notebook_page",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

default_role = "code"
autodoc_class_signature = "separated"
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["page.css"]
html_title = f"latently {release}"
html_show_sourcelink = False
