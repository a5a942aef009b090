"""A fitted model and data as one HTML page that needs nothing else: no network, no fonts, no scripts of others.

`render(facts)` draws; what `facts` may hold is in `latently.faces.report.facts`.
"""

from __future__ import annotations

from latently.faces.report.facts import Facts
from latently.faces.report.page import render

__all__ = ["Facts", "render"]
