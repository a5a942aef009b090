"""A card that is not there: tensors that say they are on CUDA, computed here, at odds with those that say they are not.

What it shows without a card: that all that meets in an operation is in one place, what is read back, and that results
are those of the CPU. What it cannot show: the card's own kernels and rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

from latently import rng as chance

__all__ = ["CARD", "Card", "card"]

CARD = torch.device("cuda", 0)
READS = {"item", "tolist", "__float__", "__int__", "__bool__", "__index__", "is_nonzero", "nonzero", "masked_select"}
reads: list[str] = []  #: what was read back since the card was plugged in


def name_of(func: Any) -> str:
    name = getattr(func, "__name__", "")
    return name if name != "__get__" else func.__self__.__name__


class Card(Tensor):
    """Numbers of this machine that say they are on a card."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return called(func, args, kwargs or {})


def is_card(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def there(t: Any) -> Any:
    return t.as_subclass(Card) if isinstance(t, Tensor) and not isinstance(t, Card) else t


def here(t: Any) -> Any:
    return t.as_subclass(Tensor) if isinstance(t, Card) else t


def moved(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Where `x.to(...)` wants it: a device, or None where it says nothing of that."""
    for value in (*args[1:], *kwargs.values()):
        if isinstance(value, Tensor):
            return CARD if isinstance(value, Card) else "cpu"
        if isinstance(value, (torch.device, str)):
            return value
    return None


def called(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = name_of(func)
    with torch._C.DisableTorchFunction():
        if name in ("device", "is_cuda", "is_cpu", "get_device") and args and isinstance(args[0], Card):
            return {"device": CARD, "is_cuda": True, "is_cpu": False, "get_device": 0}[name]
        if name in ("cpu", "to", "cuda"):
            place = {"cpu": "cpu", "cuda": CARD}.get(name) or moved(args, kwargs)
            rest = {k: "cpu" if k == "device" else v for k, v in kwargs.items()}
            found = func(*("cpu" if is_place(a) else a for a in args), **rest) if name == "to" else args[0]
            to_card = isinstance(args[0], Card) if place is None else is_card(place)
            if to_card != isinstance(args[0], Card) and found is args[0]:
                found = found.clone()
            return there(found) if to_card else here(found)
        if name == "__deepcopy__" and isinstance(args[0], Card):
            found = there(here(args[0].detach()).clone()).requires_grad_(args[0].requires_grad)
            found._is_param = isinstance(args[0], torch.nn.Parameter)
            return found
        if name == "numpy" and isinstance(args[0], Card):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)]
        on_card = any(isinstance(t, Card) for t in tensors)
        wanted = kwargs.get("device")
        if wanted is not None and is_card(wanted):
            kwargs, on_card = kwargs | {"device": "cpu"}, True
        elif wanted is not None:
            on_card = False
        elif on_card:
            strays = [t for t in tensors if not isinstance(t, Card) and t.ndim and not may_differ(name, t)]
            if strays and name == "_has_compatible_shallow_copy_type":
                return False  # then a module's parameter is a new one, which says where it is
            if strays:
                raise RuntimeError(f"{name}: expected all tensors on cuda:0, one of shape {strays[0].shape} is not")
            if name == "_linear_pointwise":
                raise NotImplementedError("oneDNN has no kernels for CUDA")
            if name in READS or (name == "__getitem__" and masked(args[1])):
                reads.append(name)
        found = func(*args, **kwargs)
        return tree_map(there, found) if on_card else found


def is_place(value: Any) -> bool:
    return isinstance(value, (torch.device, str))


def masked(index: Any) -> bool:
    return any(isinstance(t, Tensor) and t.dtype == torch.bool for t in tree_flatten(index)[0])


def may_differ(name: str, t: Tensor) -> bool:
    """What the real one takes from elsewhere: positions, and what is copied or set."""
    return name in ("copy_", "__set__", "index_put_") or (
        name in ("__getitem__", "__setitem__") and not t.is_floating_point()
    )


class Plugged(TorchFunctionMode):
    """Factories, too, put things where they are asked to."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return called(func, args, kwargs or {})


@contextmanager
def card(monkeypatch: Any, capability: tuple[int, int] = (9, 0)) -> Iterator[list[str]]:
    """As if there were one. What is read back from it is listed in what comes."""
    child = chance.child
    monkeypatch.setattr(chance, "child", lambda seed, name, device="cpu": child(seed, name))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
    monkeypatch.setattr("latently.device.memory", lambda device: 2**36)
    reads.clear()
    with Plugged():
        yield reads
