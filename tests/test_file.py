"""Models on disk: whole or not at all, nothing that runs code, and a plain word about every file that is none."""

import errno
import json
import os
import re
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import safetensors.torch
import torch
from fits import fitted, gaps, rows
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from latently import Autoencoder, load, recipes, save
from latently.engine import store
from latently.errors import BadParameter, FileProblem
from latently.parts import L1, Chain, Contraction, Dense, Gaussian, Masking
from latently.recipes import Compose, Recipe

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")


@pytest.fixture(scope="module")
def model() -> Autoencoder:
    return fitted(k=2, kind="sparse", network=(5,))


@pytest.fixture
def file(model, tmp_path) -> Path:
    path = tmp_path / "model.safetensors"
    save(model, path)
    return path


def header(data: bytes) -> dict[str, object]:
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def encoder() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))


# ---------------------------------------------------------------- what is kept


OPTIONS = {
    "everything by name": {"kind": "denoising", "network": Dense(hidden=[7, 4], activation="gelu", line=False)},
    "parts": {"kind": Compose(Chain([Gaussian(0.2), Masking(0.1)]), L1(0.3), [Contraction(1e-3, "probe", 2)])},
    "a class": {"kind": recipes.Variational, "loss": "likelihood"},
    "numpy numbers": {"learning_rate": np.float64(0.01), "k": np.int64(2), "random_state": np.int64(4)},
    "generators": {"random_state": np.random.default_rng(0)},
    "no judges": {"validation_fraction": None},
    "a width for the data": {"k": "auto"},
    "a path": {"checkpoint": Path("fit.state")},
}


@pytest.mark.parametrize("what", OPTIONS)
@pytest.mark.parametrize("x", [rows(), gaps(rows())], ids=["whole", "gaps"])
def test_what_is_told_of_a_model_is_told_of_its_copy(what, x, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = fitted(x, **OPTIONS[what])
    save(first, "model")
    again = load("model")
    told, kept = again.summary(), first.summary()
    assert told | {"seconds": 0} == kept | {"seconds": 0}
    for name, value in first.get_params(deep=False).items():
        if name not in ("random_state", "kind", "checkpoint"):
            assert getattr(again, name) == value, name
    assert again.history_.columns.keys() == first.history_.columns.keys()
    assert_array_equal(again.reconstruct(x), first.reconstruct(x))
    refitted = again.set_params(checkpoint=None, epochs=1).fit(x)
    assert np.isfinite(refitted.transform(x)).all()


def test_names_of_columns_are_kept_and_asked_for(tmp_path):
    import pandas as pd

    table = pd.DataFrame(rows(), columns=["naïve", "b c", "", "日本", "e", "f"])
    save(fitted(table), tmp_path / "m")
    again = load(tmp_path / "m")
    assert list(again.feature_names_in_) == list(table.columns)
    assert list(again.reconstruct(table).columns) == list(table.columns)
    with pytest.raises(ValueError, match="order"):
        again.transform(table[table.columns[::-1]])


def test_one_fit_saved_twice_gives_one_file(model, tmp_path):
    for name in ("a", "b"):
        save(model, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_is_safetensors_and_json_and_readable_by_others(file):
    data = file.read_bytes()
    facts = json.loads(header(data)["__metadata__"]["latently"])
    assert (facts["schema"], facts["what"], facts["facts"]["task"]) == (store.SCHEMA, "model", "Autoencoder")
    assert all(t.dtype in (torch.float32, torch.float64, torch.bool) for t in safetensors.torch.load(data).values())
    assert b"sklearn" not in data
    assert b"latently." not in data, "a class is looked up by its import path"


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_file_has_the_permissions_of_any_new_file(model, tmp_path):
    before = os.umask(0o027)
    try:
        save(model, tmp_path / "m")
    finally:
        os.umask(before)
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o640


def test_a_link_is_followed(model, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "m")
    save(model, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert load(tmp_path / "link").n_components_ == 2


# ---------------------------------------------------------------- kinds and networks from outside


@dataclass
class Stranger(Recipe):
    """A kind that nobody registered."""

    alpha: float = 0.2

    def parts(self, n_components: int) -> object:
        return recipes.Sparse(alpha=self.alpha).parts(n_components)


def test_a_kind_from_outside_is_asked_for(tmp_path):
    first = fitted(kind=Stranger(alpha=0.3))
    save(first, tmp_path / "m")
    with pytest.raises(BadParameter, match=r"'stranger'.*kinds=\[\.\.\.\]"):
        load(tmp_path / "m")
    again = load(tmp_path / "m", kinds=[Stranger])
    assert again.kind == Stranger(alpha=0.3)
    assert_array_equal(again.transform(rows()), first.transform(rows()))


def test_modules_of_the_user_are_asked_for(tmp_path):
    first = fitted(network=(encoder(), nn.Linear(3, 6)))
    save(first, tmp_path / "m")
    with pytest.raises(BadParameter, match=r"network=\(encoder, decoder\)"):
        load(tmp_path / "m")
    again = load(tmp_path / "m", network=(encoder(), nn.Linear(3, 6)))
    assert_array_equal(again.transform(rows()), first.transform(rows()))
    save(again, tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == (tmp_path / "m").read_bytes()
    assert np.isfinite(again.fit(rows()).transform(rows())).all(), "what was loaded can be fitted again"


@pytest.mark.parametrize("own", [False, True])
def test_modules_that_are_not_those_of_the_fit_are_refused(own, tmp_path):
    save(fitted(network=(encoder(), nn.Linear(3, 6)) if own else (5,)), tmp_path / "m")
    other = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 3))
    with pytest.raises(BadParameter, match="network"):
        load(tmp_path / "m", network=(other, nn.Linear(3, 6)))


# ---------------------------------------------------------------- files that are none


def test_a_file_cut_short_is_refused_at_every_length(file):
    data = file.read_bytes()
    lengths = {0, 1, 7, 8, 9, len(data) - 1, *np.linspace(0, len(data) - 1, 40, dtype=int).tolist()}
    for length in lengths:
        file.write_bytes(data[:length])
        with pytest.raises(FileProblem, match=str(file)):
            load(file)
    file.write_bytes(data + b"\0")
    with pytest.raises(FileProblem, match=str(file)):
        load(file)


def test_a_flipped_bit_is_noticed_in_every_byte_of_the_header_and_a_thousand_of_the_body(file):
    data, rng = file.read_bytes(), np.random.default_rng(0)
    end = 8 + int.from_bytes(data[:8], "little")
    body = rng.integers(end, len(data), size=1000).tolist()
    for place in [*range(end), *body]:
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        with pytest.raises(FileProblem):
            load(file)


def rewritten(data: bytes, change: Callable[[dict], object]) -> bytes:
    """The same file with other facts and a checksum that fits them."""
    body = json.loads(header(data)["__metadata__"]["latently"])
    change(body)
    facts = {"latently": json.dumps(body, sort_keys=True)}
    return store.sealed(safetensors.torch.save(safetensors.torch.load(data), facts))


FOREIGN = {
    "empty": (lambda data: b"", "cut short|not a latently file"),
    "noise": (lambda data: np.random.default_rng(0).bytes(5000), "not a latently file"),
    "text": (lambda data: b"a,b,c\n1,2,3\n" * 50, "not a latently file"),
    "a pickle": (lambda data: b"\x80\x04cos\nsystem\n(S'true'\ntR." * 9, "not a latently file"),
    "plain safetensors": (lambda data: safetensors.torch.save({"w": torch.ones(3)}), "not a latently file"),
    "safetensors of others": (
        lambda data: safetensors.torch.save({"w": torch.ones(3)}, {"format": "pt", "latently": "[1, 2]"}),
        "not a latently file",
    ),
    "newer": (
        lambda data: rewritten(data, lambda b: b.update(schema=store.SCHEMA + 1)),
        f"schema {store.SCHEMA + 1}.*reads up to {store.SCHEMA}.*Update latently",
    ),
    "another sort": (lambda data: rewritten(data, lambda b: b.update(what="index")), "is a index|is an index"),
    "an unknown task": (lambda data: rewritten(data, lambda b: b["facts"].update(task="Oracle")), "Oracle.*known"),
    "no facts": (lambda data: rewritten(data, lambda b: b.update(facts={})), "m"),
    "no facts at all": (lambda data: rewritten(data, lambda b: b.pop("facts")), "m"),
    "a model of less": (lambda data: rewritten(data, lambda b: b["facts"].update(components=3)), "m"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_file_that_is_no_model_is_refused_in_plain_words(file, what):
    make, message = FOREIGN[what]
    file.write_bytes(make(file.read_bytes()))
    with pytest.raises(FileProblem, match=message):
        load(file)


def test_a_checkpoint_is_no_model(tmp_path):
    fitted(checkpoint=tmp_path / "state")
    with pytest.raises(FileProblem, match="is a checkpoint, expected a model"):
        load(tmp_path / "state")


@pytest.mark.parametrize(
    ("action", "path"),
    [("load", "missing"), *((action, path) for action in ("load", "save") for path in ("missing/m", ".", "plain/m"))],
)
def test_a_path_that_cannot_be_used_is_named(model, tmp_path, action, path):
    (tmp_path / "plain").write_text("a file")
    with pytest.raises(FileProblem, match=r"cannot (read|write)") as caught:
        load(tmp_path / path) if action == "load" else save(model, tmp_path / path)
    assert str(tmp_path) in str(caught.value)
    assert isinstance(caught.value, OSError)
    assert [p.name for p in tmp_path.iterdir()] == ["plain"]


def in_a_child(limit: Callable[[], None], other: object, file: Path) -> str:
    """What `save` complains of in a process of its own, under a limit; \"\" when it does not."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        limit()
        try:
            save(other, file)
            said = ""
        except FileProblem as problem:
            said = str(problem)
        os.write(writer, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return pipe.read()


def small_disk() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


def nobody() -> None:
    if os.geteuid() == 0:
        os.setuid(65534)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_disk_that_fills_up_leaves_the_old_file_whole(file):
    before = file.read_bytes()
    assert "unchanged" in in_a_child(small_disk, fitted(epochs=1), file)
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_folder_that_may_not_be_written_is_named_and_left_as_it_is(file, model):
    before = file.read_bytes()
    for folder in (file.parent, *file.parent.parents[:2]):
        folder.chmod(0o755)  # others may look
    file.parent.chmod(0o555)
    try:
        assert re.search(f"cannot write {file}.*yours", in_a_child(nobody, model, file))
    finally:
        file.parent.chmod(0o755)
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]


GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.safetensors")), ids=lambda p: p.stem)
def test_a_file_of_every_schema_number_loads_for_ever(path):
    model, facts = load(path, device="cpu"), json.loads(path.with_suffix(".json").read_text())
    table = pa.table({n: pa.array(v, pa.timestamp("s") if n == "when" else None) for n, v in facts["rows"].items()})
    assert_allclose(model.transform(table), facts["codes"], rtol=1e-4, atol=1e-5)
    assert model.reconstruct(table).column("town").to_pylist() == facts["towns"]
    assert json.loads(json.dumps(model.summary()["schema"])) == facts["schema"]


def test_there_is_a_golden_file_of_every_schema_number():
    names = [f"schema{n}" for n in range(1, store.SCHEMA + 1)]
    assert sorted(p.stem for p in GOLDEN.glob("*.safetensors")) == names
    for name in names:
        facts = json.loads(header((GOLDEN / f"{name}.safetensors").read_bytes())["__metadata__"]["latently"])
        assert f"schema{facts['schema']}" == name


def test_what_an_older_schema_held_is_saved_in_this_one(tmp_path):
    save(load(GOLDEN / "schema1.safetensors", device="cpu"), tmp_path / "m")
    assert json.loads(header((tmp_path / "m").read_bytes())["__metadata__"]["latently"])["schema"] == store.SCHEMA
    first, again = (load(p, device="cpu") for p in (GOLDEN / "schema1.safetensors", tmp_path / "m"))
    assert again.data_.schema() == first.data_.schema()
    assert_array_equal(again.codes_, first.codes_)


# ---------------------------------------------------------------- writing that fails


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("fault", "error"), [(full, FileProblem), (interrupted, KeyboardInterrupt)])
@pytest.mark.parametrize("call", ["fdopen", "fsync", "chmod", "replace"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(file, exists, call, fault, error, monkeypatch):
    before = file.read_bytes()
    if not exists:
        file.unlink()
    monkeypatch.setattr(os, call, fault)
    with pytest.raises(error) as caught:
        save(fitted(epochs=1), file)
    monkeypatch.undo()
    assert [p.name for p in file.parent.iterdir()] == ([file.name] if exists else [])
    assert not exists or file.read_bytes() == before
    assert error is KeyboardInterrupt or "No space left" in str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_process_killed_while_it_writes_leaves_the_old_file_whole(file, call, monkeypatch):
    before, other = file.read_bytes(), fitted(epochs=1)
    monkeypatch.setattr(os, call, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    child = os.fork()
    if not child:
        save(other, file)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert file.read_bytes() == before
    monkeypatch.undo()
    save(other, file)
    assert load(file).n_components_ == 3
