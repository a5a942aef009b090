"""Every example runs: the Python of the README and of the docs' pages, and the docstrings of the public names."""

import doctest
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import latently
from latently.errors import FitAlarm

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "docs/quickstart.md", "docs/tables.md", "docs/jobs.md", "docs/images.md",
         "docs/series.md", "docs/text.md", "docs/audio.md", "docs/kinds.md", "docs/which.md"]  # fmt: skip
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.filterwarnings(f"ignore::{FitAlarm.__module__}.{FitAlarm.__name__}")
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall((ROOT / page).read_text())
    assert blocks, f"{page} has no Python"
    module = ModuleType("page")  # where its dataclasses live
    monkeypatch.setitem(sys.modules, "page", module)
    for block in blocks:
        exec(compile(block, page, "exec"), vars(module))


COMMANDS = re.findall(r"`latently (\w[^`]* [^`]*)`", (ROOT / "docs" / "which.md").read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_guide_is_one_that_the_command_line_takes(command):
    from typer.main import get_command

    from latently.faces.cli import app

    verb, words, name = get_command(app), command.split(), ""
    while hasattr(verb, "commands"):
        name = words.pop(0)
        verb = verb.commands[name]
    assert verb.make_context(name, words).params  # unknown options and sorts of values raise


def test_every_verb_kind_and_class_has_its_line_in_the_guide():
    from latently.recipes import names
    from latently.tasks import tasks

    page = (ROOT / "docs" / "which.md").read_text()
    missing = [name for name in {*tasks(), *names()} if not re.search(rf"[`\"+(]{name}\b", page)]
    assert not missing, f"docs/which.md says nothing of {', '.join(sorted(missing))}"


def test_the_docstrings_are_right():
    from latently import compat
    from latently.tasks import autoencoder

    for module in (autoencoder, compat):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed


def test_every_public_name_is_there_and_no_other():
    for name in latently.__all__:
        assert getattr(latently, name) is not None
    assert dir(latently) == latently.__all__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        latently.nonsense  # noqa: B018


def test_the_reference_names_every_public_class_and_function():
    page = (ROOT / "docs" / "api.md").read_text()
    modules = {"__version__", "errors", "parts", "recipes"}
    missing = [name for name in latently.__all__ if name not in modules and f":: latently.{name}\n" not in page]
    assert not missing, f"docs/api.md says nothing of {', '.join(missing)}"
