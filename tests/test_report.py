"""The report is one page that stands alone, holds whatever a table may be called, and leaves out what is not known."""

import copy
import importlib.resources
import json
import math
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from latently.faces.report import render
from latently.faces.report.facts import tidy
from latently.faces.report.markup import tag
from latently.faces.report.words import cell, number, share

HOSTILE = '<script>alert(\'x\')</script>" onload="alert(1)" &amp; \x00\ud800 ]]> --> </style></title>'
SECTIONS = {
    "alarms": "Alarms", "new": "New rows", "columns": "Columns and their roles", "training": "Training",
    "codes": "Map of the codes", "reconstruction": "Reconstruction by column", "strange": "Strangest rows",
    "sizes": "Code size", "made": "How it was made",
}  # fmt: skip


class Page(HTMLParser):
    """Reads a page strictly: what opens must close, in order."""

    VOID = ("meta", "link", "br", "col", "wbr")

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), tuple(self.open)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert "svg" in self.open, f"<{tag}/> is HTML only inside SVG"
        self.elements.append((tag, dict(attrs), tuple(self.open)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.texts))

    def all(self, tag):
        return [attrs for name, attrs, _ in self.elements if name == tag]


@pytest.fixture(scope="module")
def facts():
    """What a fit on wines has to say, as the command would gather it."""
    import latently

    rows = np.random.default_rng(0).normal(size=(60, 4)) @ np.random.default_rng(1).normal(size=(4, 4))
    names = ["alcohol", "malic_acid", "ash", "proline"]
    model = latently.Autoencoder(n_components=2, epochs=4, random_state=0).fit(rows)
    summary, history, codes = model.summary(), model.history_, model.transform(rows)
    return {
        "head": {
            "title": "wine", "task": summary["task"], "kind": summary["kind"], "rows": 60, "columns": 5, "learned": 4,
            "components": 2, "fitted": "2025-03-09T14:02:33", "held_out": summary["held_out"],
        },
        "alarms": [{"name": "overfit", "message": "held-out error 0.3 against 0.1. Try fewer components."}],
        "columns": [
            *({
                "name": n, "sort": "number", "role": "learned", "missing": 0.02 * j, "low": float(rows[:, j].min()),
                "high": float(rows[:, j].max()), "histogram": {"counts": [1, 4, 9, 2]}, "scaling": "variance 1",
            } for j, n in enumerate(names)),
            {"name": "grower", "sort": "category", "role": "left out", "missing": 0, "why": "every value is different",
             "levels": [{"name": "Barolo", "share": 0.4}, "Barbera"], "level_count": 60},
        ],
        "training": {
            "epochs": [0, 10, 20, 30], "validation": [math.nan, 0.9, 0.7, 0.8], "best": 2,
            "terms": {"reconstruction": [math.nan, 0.8, 0.6, 0.5], "kl": [math.nan, 0.1, 0.1, 0.2]},
            "folds": [{"epochs": [0, 10, 20][: len(f)], "validation": list(f)} for f in history.folds],
            "loss": "squared error a row", "stopped": history.stopped, "seconds": history.seconds,
        },
        "reconstruction": {
            "columns": [{"name": n, "model": 0.1 * j, "pca": 0.25, "mean": 1.01} for j, n in enumerate(names)],
            "rows": 60,
        },
        "codes": {
            "x": codes[:, 0].tolist(), "y": codes[:, 1].tolist(), "axes": ["first", "second"],
            "method": "the code itself", "rows": list(range(60)), "label": ["red", "white", None] * 20,
            "label_name": "colour",
        },
        "new": {
            "columns": [
                {"name": "ash", "apart": 0.12, "chance": 0.1, "real": [1, 4, 2], "new": [2, 3, 2]},
                {"name": "colour", "apart": 0.02, "chance": 0.03, "real": [9, 3], "new": [8, 4],
                 "names": ["red", "blue"]},
            ],
            "figures": {"told from real rows, AUC": {"new": 0.61, "independent columns": 0.9}},
            "heads": ["ash", "colour"], "rows": [[2.1, "red"], [2.3, None]],
        },
        "strange": {
            "rows": [{
                "row": 17, "keys": {"bottle": 100017, "day": "2024-05-01T00:00:00"}, "score": 12.345678, "p": 0.0123,
                "flag": True, "reasons": [{"column": "ash", "observed": 3.2, "expected": 2.4, "share": 0.61}],
                "normal": [{"column": "ash", "observed": 3.2, "normal": 2.34}],
            }],
            "scores": {"edges": [0, 5, 10, 15], "counts": [50, 9, 1]}, "threshold": 10, "score_name": "surprise",
            "flagged": 1, "total": 60,
        },
        "sizes": {"components": [1, 2, 3], "error": [0.5, 0.2, 0.19], "pca": [0.6, 0.3, 0.2], "mean": 1.0, "chosen": 2},
        "made": {"command": "latently fit wine.csv -o wine.safetensors", "seed": 0, "options": {"kind": "denoising"},
                 "versions": summary["versions"], "network": {"parameters": summary["parameters"]}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def big():
    """As large as it gets: 5,000 columns with long names, more points than are drawn."""
    rng = np.random.default_rng(0)
    names = [f"sensor_{i}_" + "long_" * (i % 50) for i in range(5000)]
    return {
        "columns": [{"name": n, "sort": "number", "low": 0.1, "high": 1e7, "missing": 0.1, "scaling": "variance 1",
                     "histogram": {"counts": rng.integers(0, 99, 24).tolist()}} for n in names],
        "reconstruction": {"columns": [
            {"name": n, "model": v, "pca": 0.5} for n, v in zip(names, rng.random(5000).tolist(), strict=True)
        ]},
        "codes": {"x": rng.normal(size=6000).tolist(), "y": rng.normal(size=6000).tolist(), "rows": list(range(6000)),
                  "label": rng.choice([f"a fairly long label {i}" for i in range(30)], 6000).tolist(),
                  "label_name": "site"},
    }  # fmt: skip


def places(value, path=()):
    """Every place in nested facts."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def changed(facts, path, value):
    found = copy.deepcopy(facts)
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return found


def shortened(value):
    """Facts with lists of two entries: every kind of place, few of each."""
    if isinstance(value, dict):
        return {k: shortened(v) for k, v in value.items()}
    return [shortened(v) for v in value[:2]] if isinstance(value, list) else value


def test_the_page_is_well_formed_and_shows_every_section(facts):
    page = Page(render(facts))
    for key, title in SECTIONS.items():
        assert {"id": key, "aria-labelledby": f"{key}-title"} in page.all("section")
        assert title in page.text
    identities = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert len(identities) == len(set(identities))
    for said in (
        "wine", "malic_acid", "Barolo 40 %", "every value is different", "2025-03-09 14:02:33", "12.35", "0.012",
        "100017", "2024-05-01", "3.2, expected 2.4", "61 %", "Nearest normal row", "2.34",
        "chosen: 2", "best: epoch 20, 0.7", "latently fit wine.csv",
    ):  # fmt: skip
        assert said in page.text.replace("\N{NO-BREAK SPACE}", " "), said


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_without_facts_is_left_out(facts, section):
    without = {key: value for key, value in facts.items() if key != section}
    page, alone = Page(render(without)), Page(render({section: facts[section]}))
    assert section not in [attrs.get("id") for attrs in page.all("section")]
    assert [attrs["id"] for attrs in alone.all("section") if "id" in attrs] == [section]


def test_no_alarm_is_said_and_unknown_alarms_are_not():
    assert "None." in Page(render({"alarms": []})).text
    assert "Alarms" not in Page(render({"alarms": None})).text


def test_the_verdict_says_what_is_kept_beside_pca():
    held = {"model": 0.13, "mean": 1.0, "pca": 0.21}
    said = Page(render({"head": {"components": 16, "held_out": held}})).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Keeps 87 % of the variance in 16 numbers; PCA of that size keeps 79 %." in said
    assert "no better" in Page(render({"head": {"held_out": {**held, "model": 1.2}}})).text


def test_whatever_a_table_holds_stays_text(facts):
    """Every text and every key is replaced by markup that would run."""

    def spoil(value, key=None):
        if isinstance(value, dict):
            free = key in ("terms", "keys", "options", "versions", "network")
            return {(f"{k}{HOSTILE}" if free else k): spoil(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [spoil(v) for v in value]
        return HOSTILE if isinstance(value, str) else value

    text = render(spoil(facts))
    page, fine = Page(text), Page(render(facts))
    assert len(page.all("script")) == 1
    assert "alert('x')" in page.text
    allowed = {name for name, _, _ in fine.elements}
    assert {name for name, _, _ in page.elements} <= allowed
    assert not [attrs for _, attrs, _ in page.elements if any(key.startswith("on") for key in attrs)]
    text.encode("utf-8")  # lone surrogates would end it here


def test_the_page_loads_nothing(facts):
    text = render(facts)
    page = Page(text)
    links = [attrs[key] for _, attrs, _ in page.elements for key in ("src", "href", "srcset", "action") if key in attrs]
    assert [link for link in links if not link.startswith(("#", "data:"))] == []
    assert not re.search(r"https?:|@import|url\(|//[a-z]", text.replace("// What the page", ""))
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy


def test_every_place_may_be_unknown_or_empty(facts):
    small = shortened(facts)
    for path in places(small):
        value = small
        for key in path:
            value = value[key]
        empty = {dict: {}, list: [], str: ""}.get(type(value), math.inf)
        for blank in (math.nan, empty):
            render(changed(small, path, blank))
        Page(render(changed(small, path, None)))


def test_nothing_known_is_a_page_too():
    for nothing in ({}, {"head": {}}, dict.fromkeys(SECTIONS), {"codes": {"x": [math.nan], "y": [1.0]}}):
        page = Page(render(nothing))
        assert [attrs for attrs in page.all("section") if "id" in attrs] == []


def test_nan_and_none_are_never_shown(facts):
    def unknown(value):
        if isinstance(value, dict):
            return {k: unknown(v) for k, v in value.items()}
        if isinstance(value, list):
            return [unknown(v) for v in value]
        return value if isinstance(value, str | bool) else math.nan

    for given in (facts, unknown(facts)):
        assert re.search(r"\b(nan|none|inf)\b", Page(render(given)).text.lower()) is None


def test_numpy_numbers_and_dates_become_plain():
    import datetime

    given = {"head": {"rows": np.int64(5)}, "codes": {"x": [np.float32(0.5), np.float64("nan")]},
             "columns": [{"low": datetime.date(2024, 5, 1)}]}  # fmt: skip
    assert json.loads(json.dumps(tidy(given))) == {
        "head": {"rows": 5}, "codes": {"x": [0.5, None]}, "columns": [{"low": "2024-05-01"}],
    }  # fmt: skip


def test_a_reader_without_eyes_finds_headings_names_and_scopes(facts):
    page = Page(render(facts))
    levels = [int(name[1]) for name, _, _ in page.elements if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(attrs.get("scope") in ("row", "col") for attrs in page.all("th"))
    for i, (name, attrs, inside) in enumerate(page.elements):
        if name == "svg" and "svg" not in inside and attrs.get("role") == "img":
            assert [element[0] for element in page.elements[i + 1 : i + 3]] == ["title", "desc"]
    assert sum(attrs.get("role") == "img" for attrs in page.all("svg")) == 5
    assert page.all("html") == [{"lang": "en"}]


def test_size_stays_small_and_the_cut_is_said(big):
    text = render(big)
    page = Page(text)
    assert len(text.encode()) < 1_500_000
    assert "The worst 40 of 5000 columns" in page.text
    assert "The first 300 of 5000 columns" in page.text
    assert "5000 of 6000 rows are drawn" in page.text
    points = [a for name, a, _ in page.elements if name in ("circle", "rect") and "row " in a.get("data-t", "")]
    assert len(points) == 5000


def test_worst_columns_come_first(big):
    page = Page(render({"reconstruction": big["reconstruction"]}))
    shown = [float(a["data-v"]) for a in page.all("td") if a.get("class") == "num" and "data-v" in a][::2]
    wanted = sorted((c["model"] for c in big["reconstruction"]["columns"]), reverse=True)[:40]
    np.testing.assert_allclose(shown, wanted, rtol=1e-6)


def test_ten_labels_have_colours_and_the_rest_share_one(big):
    page = Page(render({"codes": big["codes"]}))
    keys = [a["data-look"] for a in page.all("li") if "data-look" in a]
    assert keys == [*(f"c{i}" for i in range(10)), "other"]
    assert "20 others" in page.text


def test_a_number_as_label_becomes_a_scale(big):
    codes = {**big["codes"], "label": [*range(5999), None]}
    looks = {a.get("class") for a in Page(render({"codes": codes})).all("circle")}
    assert {f"s{i}" for i in range(9)} | {"none"} <= looks


def test_a_fit_that_kept_its_start_says_so():
    said = [render({"training": {"epochs": [0, n], "validation": [1.0, 1.0], "seconds": 0.0}}) for n in (0, 3)]
    assert ["No epoch was better than the start" in page for page in said] == [True, False]
    assert "in 0 s" not in said[0]


def test_series_have_channels_and_tables_columns():
    errors = {"reconstruction": {"columns": [{"column": "flow", "model": 0.1, "pca": 0.2}]}}
    told = {"titles": {"reconstruction": "Reconstruction by channel"}}
    for one, page in (("column", render(errors)), ("channel", render(errors | told))):
        assert f"share of the {one}’s variance" in page
        assert f"Below PCA in 1 of 1 {one}." in page


def test_terms_stack_and_negative_ones_do_not():
    def paths(terms):
        page = Page(render({"training": {"epochs": [1, 2], "terms": terms}}))
        return {a["class"].split()[0] for a in page.all("path")}

    assert paths({"reconstruction": [3.0, 2.0], "kl": [0.0, 1.0]}) == {"band"}
    assert paths({"reconstruction": [3.0, -2.0], "kl": [0.0, 1.0]}) == {"line"}


@pytest.mark.parametrize(("value", "said"), [
    (0, "0"), (1234, "1234"), (1234567, "1,234,567"), (-12345.6, "~12,346"), (0.123456, "0.1235"), (0.5, "0.5"),
    (99.996, "100"), (1e-7, "1 × 10⁻⁷"), (-2.5e20, "~2.5 × 10²⁰"), (10**40, "1 × 10⁴⁰"), (5e-324, "4.941 × 10⁻³²⁴"),
    (math.nan, "–"), (None, "–"), (True, "–"),
])  # fmt: skip
def test_numbers_are_for_people(value, said):
    assert number(value) == said.replace("~", "\N{MINUS SIGN}")


@pytest.mark.parametrize(("value", "said"), [
    (0.87, "87 %"), (0, "0 %"), (1, "100 %"), (0.0004, "< 0.1 %"), (0.0042, "0.4 %"), (0.9995, "99.95 %"),
    (2.4, "240 %"),
])  # fmt: skip
def test_shares_keep_the_digits_that_tell_something(value, said):
    assert share(value).replace("\N{NO-BREAK SPACE}", " ") == said


@pytest.mark.parametrize(("value", "said"), [
    ("2024-05-01T00:00:00", "2024-05-01"), ("2024-05-01 13:45:10.123Z", "2024-05-01 13:45:10 UTC"), (None, "missing"),
    (False, "false"), ("2024-05", "2024-05"), (3.14159, "3.142"),
])  # fmt: skip
def test_cells_are_for_people(value, said):
    assert cell(value) == said


def test_attributes_are_escaped_and_empty_ones_left_out():
    assert tag("p", "a<b", None, title='"x"', lang=None, class_="y") == '<p title="&quot;x&quot;" class="y">a&lt;b</p>'


def luminance(colour):
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_marks_stand_out_from_the_paper(scheme):
    """WCAG AA: 4.5 for text, 3 for what is drawn."""
    style = importlib.resources.files("latently.faces.report").joinpath("page.css").read_text("utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", re.findall(r":root \{([^}]*)\}", style)[scheme]))

    def contrast(name, paper):
        low, high = sorted((luminance(colours[name]), luminance(colours[paper])))
        return (high + 0.05) / (low + 0.05)

    for name, paper in [("ink", "paper"), ("soft", "paper"), ("link", "paper"), ("fine", "paper"), ("warn", "paper"),
                        ("ink", "raised"), ("ink", "warn-paper"), ("warn", "warn-paper")]:  # fmt: skip
        assert contrast(name, paper) >= 4.5, (name, paper)
    for name in ("ours", "pca", "mean", "other", *(f"c{i}" for i in range(10))):
        assert contrast(name, "paper") >= 3, name


@pytest.mark.slow
def test_a_browser_shows_it_without_complaint(facts, big, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no browser: apt-get install chromium")
    complaints = []
    pages = {"facts": facts, "big": {**facts, **big}}
    for name, given in pages.items():
        (tmp_path / f"{name}.html").write_text(render(given), "utf-8")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, width, scheme in [
            ("facts", 390, "light"),
            ("facts", 1440, "dark"),
            ("big", 390, "dark"),
            ("big", 1440, "light"),
        ]:
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on(
                "request", lambda request: request.url.startswith(("file:", "data:")) or complaints.append(request.url)
            )
            page.goto((tmp_path / f"{name}.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
            page.locator("#codes circle").first.hover(force=True)
            assert page.locator("#tip").inner_text().startswith("row ")
            page.locator("#columns th button").first.click()
            assert page.locator("#columns th[aria-sort=ascending]").count() == 1
            page.close()
        browser.close()
    assert complaints == []
