"""A Sphinx page from a notebook: its cells as MyST Markdown, its outputs as they were saved. Nothing is run.

A cell tagged `hide-input` is folded; `alt` in a cell's metadata describes its figure to those who cannot see it.
"""

import html
import json
from pathlib import Path

from myst_parser.parsers.sphinx_ import MystParser

FENCE = "`" * 5


def setup(app):
    app.add_source_suffix(".ipynb", "notebook")
    app.add_source_parser(NotebookParser)
    return {"version": "1", "parallel_read_safe": True}


class NotebookParser(MystParser):
    supported = ("notebook",)

    def parse(self, inputstring, document):
        super().parse(page(json.loads(inputstring), Path(document["source"]).name), document)


def page(notebook, name):
    """The whole page; under its title stands a link to the notebook itself."""
    first, *rest = [shown for cell in notebook["cells"] for shown in blocks(cell)]
    title, _, text = first.partition("\n")
    return "\n\n".join([title, f"*A notebook: {{download}}`{name}` runs as it is.*", text, *rest])


def blocks(cell):
    if cell["cell_type"] == "markdown":
        yield "".join(cell["source"])
    elif cell["cell_type"] == "code":
        code = block("code-block", "python", "".join(cell["source"]))
        folded = "hide-input" in cell["metadata"].get("tags", ())
        yield (raw("<details><summary>Code that draws</summary>") + code + raw("</details>") if folded else code)
        said = "".join("".join(output.get("text", "")) for output in cell["outputs"])
        if said:  # a kernel may have saved it in pieces
            yield printed(said)
        for output in cell["outputs"]:
            if "data" in output:
                yield shown(output["data"], cell["metadata"].get("alt", ""))


def shown(data, alt):
    if "image/png" in data:
        png = "".join(data["image/png"]).replace("\n", "")
        return raw(f'<p><img alt="{html.escape(alt)}" src="data:image/png;base64,{png}"></p>')
    if "text/html" in data:
        return raw("".join(data["text/html"]))
    return printed("".join(data["text/plain"]))


def printed(text):
    return block("code-block", "none", f":class: shown\n\n{text}")


def raw(text):
    return block("raw", "html", text)


def block(directive, argument, text):
    return f"{FENCE}{{{directive}}} {argument}\n{text.rstrip()}\n{FENCE}\n"
