"""Run a notebook in plain Python, one cell after the other, and keep what each cell shows.

Usage: python tools/notebooks.py docs/lecture.ipynb     (writes the outputs into the file; needs no Jupyter)

Shown are what a cell prints, the figures it leaves open, and a last expression that has `_repr_html_`: what a kernel
with inline figures shows of the same cells. An exception ends the run.
"""

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["code_cells", "run", "source"]

Cell = dict[str, Any]


def source(cell: Cell) -> str:
    """The text of a cell, which a file may hold in one piece or in lines."""
    text = cell["source"]
    return text if isinstance(text, str) else "".join(text)


def code_cells(notebook: dict[str, Any]) -> list[Cell]:
    """The cells that compute, in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(notebook: dict[str, Any]) -> None:
    """Run every code cell in one namespace and put its outputs into it."""
    import matplotlib

    matplotlib.use("Agg")
    main = ModuleType("__main__")
    for number, cell in enumerate(code_cells(notebook), 1):
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            shown = _execute(source(cell), f"cell {number}", vars(main))
        cell["outputs"] = [*_stream(text.getvalue()), *shown, *_figures()]
        cell["execution_count"] = number
        for output in cell["outputs"]:
            if output["output_type"] == "execute_result":
                output["execution_count"] = number


def _execute(text: str, name: str, namespace: dict[str, Any]) -> list[dict[str, Any]]:
    tree = ast.parse(text, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)
    if not isinstance(last, ast.Expr):
        return []
    value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    page = value._repr_html_() if hasattr(value, "_repr_html_") and not text.rstrip().endswith(";") else None
    if page is None:
        return []
    data = {"text/html": _lines(page), "text/plain": _lines(type(value).__name__)}
    return [{"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": None}]


def _stream(text: str) -> list[dict[str, Any]]:
    return [{"output_type": "stream", "name": "stdout", "text": _lines(text)}] if text else []


def _figures() -> list[dict[str, Any]]:
    from matplotlib import pyplot

    outputs = []
    for number in pyplot.get_fignums():
        figure, png = pyplot.figure(number), io.BytesIO()
        figure.savefig(png, format="png", bbox_inches="tight", metadata={"Software": None})
        data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": ["<Figure>"]}
        outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
    pyplot.close("all")
    return outputs


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main(path: str) -> None:
    """Run the notebook at `path` and write it back."""
    file = Path(path)
    notebook = json.loads(file.read_text())
    run(notebook)
    file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
