"""Tensors and facts on disk: one safetensors file, checksummed, replaced in one stroke. Knows no class.

The header's `__metadata__` holds one JSON text under "latently": the facts, what the file is, and a SHA-256 of every
other byte of the file. A file is read whole and checked before anything is handed out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from latently.disk import replace
from latently.errors import CheckpointMismatch, FileProblem

__all__ = ["Checkpoint", "Section", "mapped", "read", "sealed", "write"]

SCHEMA = 2
READABLE = (1, 2)
BLANK = "0" * 64
SAVE_EVERY = 1.0  # seconds between two writes of a checkpoint

Facts = dict[str, Any]
Tensors = dict[str, Tensor]


def write(path: Path, what: str, tensors: Tensors, facts: Facts) -> None:
    """Replace `path` by a file of these tensors and facts; whatever happens, the old file or the new one is whole."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    body = {"schema": SCHEMA, "what": what, "facts": facts, "sha256": BLANK}
    data = sealed(safetensors.torch.save(tensors, {"latently": json.dumps(body, sort_keys=True)}))
    replace(path, data)


def read(path: Path, what: str) -> tuple[Tensors, Facts]:
    """The tensors and facts of a file that `write` made; `FileProblem` on anything else."""
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise FileProblem(f"cannot read {path}: {problem.strerror}.") from None
    body = _body(path, data)
    if sealed(data) != data:
        raise FileProblem(f"{path} is damaged: its checksum does not match. Restore it from a copy or fit again.")
    _fits(path, what, body)
    try:
        tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError) as problem:
        raise FileProblem(f"{path} is damaged ({problem}). Restore it from a copy or fit again.") from None
    return tensors, body["facts"]


def mapped(path: Path, what: str) -> tuple[Tensors, Facts]:
    """As `read`, but tensors are pages of the file that are fetched when they are looked at, and nothing is summed.

    The file must stay as it is for as long as they are in use; it cannot be written through them.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
            head += file.read(min(int.from_bytes(head, "little"), path.stat().st_size))
        body = _body(path, head)
        _fits(path, what, body)
        with safetensors.safe_open(path, "pt") as held:
            return {name: held.get_tensor(name) for name in held.keys()}, body["facts"]  # noqa: SIM118 - no mapping
    except OSError as problem:
        raise FileProblem(f"cannot read {path}: {problem.strerror}.") from None
    except (safetensors.SafetensorError, ValueError) as problem:
        raise FileProblem(f"{path} is damaged ({problem}). Restore it from a copy or fit again.") from None


def _fits(path: Path, what: str, body: Facts) -> None:
    if body.get("schema") not in READABLE:
        raise FileProblem(
            f"{path} has file schema {body.get('schema')!r}; this version of latently reads up to {SCHEMA}. "
            "Update latently."
        )
    if body.get("what") != what:
        raise FileProblem(f"{path} is a {body.get('what')}, expected a {what}.")
    if not isinstance(body.get("facts"), dict):
        raise FileProblem(f"{path} holds no facts.")


def _body(path: Path, data: bytes) -> dict[str, Any]:
    foreign = f"{path} is not a latently file"
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise FileProblem(f"{foreign}, or it is cut short ({len(data)} bytes).")
    try:
        body = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["latently"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FileProblem(f"{foreign}: its header cannot be read.") from None
    if not isinstance(body, dict):
        raise FileProblem(f"{foreign}: its header holds no facts.")
    return body


def sealed(data: bytes) -> bytes:
    """The same file with the digest of all its other bytes in the place of it; nothing where there is no such place."""
    end = 8 + int.from_bytes(data[:8], "little")
    places = list(re.finditer(rb'\\"sha256\\": \\"([0-9a-f]{64})\\"', data[8:end]))
    if not places:
        return b""
    start, stop = (8 + i for i in places[-1].span(1))  # keys are sorted: this one stands behind the facts
    digest = hashlib.sha256(b"".join((data[:start], BLANK.encode(), data[stop:])))
    return data[:start] + digest.hexdigest().encode() + data[stop:]


class Checkpoint:
    """The state of a fit, in sections: one for each stage of its schedule. Without a path it forgets everything."""

    def __init__(self, path: str | os.PathLike[str] | None, key: str) -> None:
        self.path = None if path is None else Path(path)
        self.key = key
        self.tensors: dict[str, Tensors] = {}
        self.facts: dict[str, Facts] = {}
        self.written = time.monotonic()
        if self.path is not None and self.path.exists():
            self._load(self.path)

    def _load(self, path: Path) -> None:
        tensors, facts = read(path, "checkpoint")
        if facts["key"] != self.key:
            raise CheckpointMismatch(
                f"checkpoint {path} belongs to another fit: options, data or versions differ. "
                "Give the same ones again, or another checkpoint path."
            )
        self.facts = facts["sections"]
        for name, tensor in tensors.items():
            section, _, rest = name.partition("/")
            self.tensors.setdefault(section, {})[rest] = tensor

    def section(self, name: str) -> Section:
        """The part of one stage."""
        return Section(self, name)

    def seed(self, draw: Callable[[], int]) -> int:
        """The seed that the first run drew; a run that resumes takes the same one."""
        if "start" not in self.facts:
            self.facts["start"] = {"seed": draw()}
            self.flush()  # a place that cannot be written is known before the first epoch
        return int(self.facts["start"]["seed"])

    def flush(self) -> None:
        """Write every section."""
        if self.path is None:
            return
        flat = {f"{s}/{n}": t for s, group in self.tensors.items() for n, t in group.items()}
        write(self.path, "checkpoint", flat, {"key": self.key, "sections": self.facts})
        self.written = time.monotonic()


class Section:
    """One stage's part of a checkpoint."""

    def __init__(self, owner: Checkpoint, name: str) -> None:
        self.owner, self.name = owner, name

    def due(self, force: bool) -> bool:
        """Whether it is time to write (never without a path)."""
        return self.owner.path is not None and (force or time.monotonic() - self.owner.written > SAVE_EVERY)

    def read(self) -> tuple[Tensors, Facts] | None:
        """What was written last, if anything."""
        if self.name not in self.owner.facts:
            return None
        return self.owner.tensors.get(self.name, {}), self.owner.facts[self.name]

    def write(self, tensors: Tensors, facts: Facts) -> None:
        """Replace this part, and the file with it."""
        self.owner.tensors[self.name] = {n: t.detach().cpu().clone() for n, t in tensors.items()}
        self.owner.facts[self.name] = json.loads(json.dumps(facts))
        self.owner.flush()
