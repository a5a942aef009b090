"""The lecture runs, its checks hold, what the file shows is what a run shows, and the page shows all of it."""

import copy
import json
import re
import sys
from pathlib import Path

import jaxtyping
import pytest
from notebooks import code_cells, run, source

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "lecture.ipynb"

# A row of the unit, and what a student must find of it: the formula, the name in the library, what is to be seen.
ROWS = {
    "encoder": [r"h = g(W x + b)", r"\hat x = f(W^* h + c)", "tied=True", "cloud("],
    "general": [r"Z = f(X)", r"\hat X = g(Z)", "transform", "inverse_transform", "reconstruct", "encoder_", "decoder_"],
    "layers": ["network=(64, 32)", "latently info", '"info"'],
    "objective": [r"L(X, \hat X) = \lVert X - \hat X \rVert^2", "costs(X)", "history_", "squared_error"],
    "undercomplete": [r"\frac{1}{n} \sum_{i=1}^{n} (x_i - \hat x_i)^2", "mean_squared_error", "np.linalg.svd"],
    "regularised": ["$L_0$", "dead units", r"mean $\lVert J \rVert_F$", "noise", "missing", 'Autoencoder("auto"'],
    "sparse, L1": [r"L + \lambda \sum_j \lvert h_j \rvert", 'Sparse(penalty="l1", alpha=0.1)', ".hist("],
    "sparse, KL": [
        r"L + \beta \sum_j \mathrm{KL}(\rho \,\Vert\, \hat\rho_j)",
        r"\rho \log \frac{\rho}{\hat\rho_j} + (1 - \rho) \log \frac{1 - \rho}{1 - \hat\rho_j}",
        'Sparse(penalty="kl", rho=0.05, beta=1.0)',
    ],
    "denoising": [r"L(x, g(f(\tilde x)))", "Denoising(noise=", "level=", "emphasis=", 'loss="l1"', "corrupt("],
    "contractive": [
        r"L + \lambda \sum_j \lVert \nabla_x h_j \rVert^2 = L + \lambda \lVert J \rVert_F^2",
        "Contractive(alpha=", 'method="auto"', "jacobian(", "import shift",
    ],
    "variational": [r"L + \mathrm{KL}(q(z \mid x) \,\Vert\, N(0, I))", "reparameterised", "Variational(beta=1.0)"],
    "scale": ["mean error", "0.1 / 64", "stackplot("],
    "applications": ["`Map`", "`AnomalyDetector`", "`Imputer`", "`Denoiser`", "`Compressor`", "`SearchIndex`"],
    "more applications": ["`Generator`", "`PretrainedClassifier`", "`PretrainedRegressor`", "images, text, audio"],
    "a slider": ["Slider("],
}  # fmt: skip


@pytest.fixture(scope="module")
def saved() -> dict:
    return json.loads(FILE.read_text())


def shape(notebook: dict) -> list[list[str]]:
    """What every cell shows: its words without the numbers, and which sorts of picture."""
    shown = []
    for cell in code_cells(notebook):
        said = "".join("".join(output.get("text", "")) for output in cell["outputs"])
        words = re.sub(r"[-+]?\d[\d.,e+-]*", " ", said).split()
        shown.append([" ".join(words), *(" ".join(sorted(o["data"])) for o in cell["outputs"] if "data" in o)])
    return shown


@pytest.mark.slow
def test_it_runs_and_shows_what_the_file_shows(saved, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # a fit has a million calls; others check shapes
    fresh = copy.deepcopy(saved)
    run(fresh)  # its assertions compare each number with numpy's
    assert shape(fresh) == shape(saved)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_unit_is_there(row, saved):
    text = "\n".join(source(cell) for cell in saved["cells"])
    assert [part for part in ROWS[row] if part not in text] == []


def test_the_page_shows_every_cell_and_output(saved, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.delitem(sys.modules, "notebook_page", raising=False)
    page = __import__("notebook_page").page(saved, FILE.name)
    for cell in saved["cells"]:
        assert source(cell).partition("\n")[2].strip() in page
    shown = [output for cell in code_cells(saved) for output in cell["outputs"]]
    pictures = sum("image/png" in output.get("data", ()) for output in shown)
    assert pictures >= 15
    assert page.count('<p><img alt="') == pictures
    assert '<p><img alt=""' not in page  # a figure that is not described
    assert f"{{download}}`{FILE.name}`" in page


def test_it_stays_small_and_clean(saved):
    assert FILE.stat().st_size < 1_500_000
    assert [cell["execution_count"] for cell in code_cells(saved)] == list(range(1, len(code_cells(saved)) + 1))
    assert not any(output["output_type"] == "error" for cell in code_cells(saved) for output in cell["outputs"])


def test_a_cell_shows_prints_pages_and_figures_in_order():
    text = "import matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1))\nprint('said')\n"
    page = "class Page:\n    def _repr_html_(self): return '<b>page</b>'\nPage()"
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": s} for s in (text + page, page + ";", "x = 1")
    ]
    notebook = {"cells": cells}
    run(notebook)
    first, silent, nothing = (cell["outputs"] for cell in notebook["cells"])
    assert [output["output_type"] for output in first] == ["stream", "execute_result", "display_data"]
    assert first[1]["data"]["text/html"] == ["<b>page</b>"]
    assert silent == nothing == []
