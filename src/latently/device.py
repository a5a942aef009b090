"""What "auto" means on this machine: device, precision, matrix back end, threads, chunk size, memory maps.

Everything follows from shapes and hardware, never from timings, so that a fit repeats.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from latently import native
from latently.errors import BadParameter

__all__ = ["chunk_rows", "fit_threads", "fork_safe", "keep_pages", "memory", "products", "resolve"]

ONEDNN_FROM = 20_000  # weights: MKL wins at 8k and below, oneDNN at 200k (measured; the place between is a guess)
LOW_FROM = 60_000  # weights: bfloat16 loses at 2k, is even at 8k, gains at 200k (measured; likewise)
OWN_LOW_FROM = 2**14  # in our own kernels: layers of 128 x 128 train in three quarters of the time (measured)
CARD_LOW_FROM = 2**20  # weights, on a card: casts are some 20 us a layer, float32 products 30 us or more (reckoned)
ALONE_BELOW = 20_000_000  # multiplications a step: below, a second thread doubles the work and saves nothing (measured)
MAPPED = 128 * 1024  # bytes: from so many on glibc maps an allocation, and gives back as many at its end, by default
PRECISIONS = ("auto", "float32", "bfloat16")


def resolve(device: str | torch.device) -> torch.device:
    """The device by name; "auto" is CUDA where there is one, then Apple's MPS, else the CPU."""
    if not isinstance(device, (str, torch.device)):
        raise BadParameter(f"device={device!r}: expected 'auto', 'cpu', 'cuda', 'mps' or a torch.device.")
    if device != "auto":
        try:
            found = torch.device(device)
            torch.empty(0, device=found)
        except (RuntimeError, AssertionError) as problem:
            raise BadParameter(f"device={device!r} cannot be used here ({problem}). Try device='auto'.") from None
        return found
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@functools.cache
def _cpu() -> tuple[bool, bool]:
    """Whether this is an AMD processor with AVX-512, and whether it multiplies bfloat16."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(errors="replace") if info.exists() else ""
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return wide and "AuthenticAMD" in text, wide and "avx512_bf16" in text


@functools.cache
def _onednn_agrees() -> bool:
    """Self-check, once: the direct oneDNN product exists and equals the portable one."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    x, w, b = (torch.linspace(-1, 1, n).view(s) for n, s in ((96, (4, 24)), (240, (10, 24)), (10, (10,))))
    with torch.no_grad():
        fast = torch.ops.mkldnn._linear_pointwise(x, w, b, "relu", [], "")
        return torch.allclose(fast, torch.relu(x @ w.t() + b), atol=1e-5)


def products(device: torch.device, precision: str) -> dict[str, Any]:
    """Which layers train in our own kernels, through oneDNN, in bfloat16: the options of `parts.networks.Gemm`."""
    if precision not in PRECISIONS:
        raise BadParameter(f"precision={precision!r}: expected one of {', '.join(PRECISIONS)}.")
    if device.type == "cuda":
        return _on_card(device, precision)
    if device.type != "cpu":
        return {}
    found: dict[str, Any] = {"native": True} if native.fast() else {}
    if not _onednn_agrees():
        return found
    amd, low = _cpu()
    wanted = precision == "bfloat16" or (precision == "auto" and low)
    found |= {"onednn_from": ONEDNN_FROM} if amd else {}
    if wanted and native.fast() and native.low():
        found |= {"own_low_from": OWN_LOW_FROM}
    return found | {"low_from": LOW_FROM} if wanted else found


def _on_card(device: torch.device, precision: str) -> dict[str, int]:
    """No setting of the process is touched: products of float32 are float32, not TF32."""
    if precision == "bfloat16":
        return {"low_from": LOW_FROM}
    able = torch.cuda.get_device_capability(device)[0] >= 8  # Ampere's tensor cores multiply it, older ones do not
    return {"low_from": CARD_LOW_FROM} if precision == "auto" and able else {}


def memory(device: torch.device) -> int | None:
    """Bytes that the device has in all; None where it does not say."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def chunk_rows(widest: int, wide_code: bool = False) -> int:
    """Rows per inference call: a fixed power of two that keeps activations in cache (1 MiB a layer).

    Where the code is the widest, at least 256 (2x faster at 16,384 units): its weights leave no room there anyway.
    """
    rows = 2**18 // max(widest, 1)
    return 1 << min(max(rows.bit_length() - 1, 8 if wide_code else 5), 12)


@contextmanager
def fit_threads(device: torch.device, work: int) -> Iterator[None]:
    """One thread while steps are small, the process's setting otherwise; restored afterwards."""
    before = torch.get_num_threads()
    if device.type != "cpu" or work >= ALONE_BELOW or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_owner = os.getpid()
_lock = threading.Lock()


def fork_safe() -> None:
    """In a forked child the parent's thread pool is gone and waiting for it hangs: compute alone there."""
    global _owner
    if os.getpid() != _owner:
        with _lock:
            torch.set_num_threads(1)
            _owner = os.getpid()


_keeping = 0


@contextmanager
def keep_pages() -> Iterator[None]:
    """Let glibc keep freed tensors instead of mapping each one anew, for a fit (+8 to +43 % measured).

    It holds for the whole process until the last fit under way ends, which sets glibc's thresholds back to what they
    are by default. LATENTLY_MALLOC=0 leaves the allocator alone.
    """
    global _keeping
    if os.environ.get("LATENTLY_MALLOC") == "0":
        yield
        return
    with _lock:
        _keeping += 1
        if _keeping == 1:
            _thresholds(1 << 30, 2**31 - 1)
    try:
        yield
    finally:
        with _lock:
            _keeping -= 1
            if not _keeping:
                _thresholds(MAPPED, MAPPED)


def _thresholds(mapped: int, trimmed: int) -> None:
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, mapped)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, trimmed)  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):  # not glibc
        return
