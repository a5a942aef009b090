"""Our own kernels: the results of torch within rounding, on every instruction set; no row depends on another."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import latently.model as model_module
from latently import Autoencoder, native
from latently.engine.pack import Packed
from latently.engine.plan import Plan
from latently.parts import Dense
from latently.parts.networks import MLP
from latently.parts.networks.gemm import Gemm
from latently.parts.networks.tapes import Walked

SHAPES = [(1, 1), (30, 64, 16), (16, 64, 30), (7, 5, 3, 2), (33, 17, 65, 48, 1), (300, 40, 300), (40, 300, 7)]


@pytest.fixture(params=[2, 1, 0], ids=["avx512", "avx2", "base"])
def kernels(request):
    """One choice of kernels after the other; the best again afterwards."""
    if not native.there():
        pytest.skip("the kernels were not compiled: no C compiler was there when the library was installed")
    if native.level(request.param) != request.param:
        native.level()
        pytest.skip("this processor has no such instructions")
    yield request.param
    native.level()


def stack(widths, last="linear", seed=0):
    net = MLP(widths, "relu", last).start(torch.Generator().manual_seed(seed))
    for b in net.biases:
        torch.nn.init.uniform_(b, -1, 1, generator=torch.Generator().manual_seed(seed))
    net.gemm = Gemm(native=True)
    return net


def near(found, wanted):
    assert (found - wanted).abs().max() <= 2e-5 * (wanted.abs().max() + 1e-6)


@pytest.mark.parametrize("rows", [1, 13, 256])
@pytest.mark.parametrize("widths", SHAPES, ids=str)
@pytest.mark.parametrize("last", ["linear", "relu"])
def test_a_stack_there_and_back_is_autograds(kernels, widths, last, rows):
    torch.set_num_threads(1)
    net, rng = stack(widths, last), torch.Generator().manual_seed(1)
    x, g = torch.randn(rows, widths[0], generator=rng), torch.randn(rows, widths[-1], generator=rng)
    leaf = x.clone().requires_grad_()
    wanted = net.plain(leaf)
    wanted.backward(g)
    grads = [p.grad.clone() for p in net.parameters()]
    for p in net.parameters():
        p.grad = torch.ones_like(p)  # added to what is there
    with torch.no_grad():
        y, tape = net.run(x)
        down = net.back(tape, g)
    assert type(tape).__name__ == "Walked"
    near(y, wanted.detach())
    near(down, leaf.grad)
    for p, grad in zip(net.parameters(), grads, strict=True):
        near(p.grad - 1, grad)
    with torch.no_grad():
        assert torch.equal(net.plain(x), y)


def halves(t):
    return t.bfloat16().float()


@pytest.mark.parametrize("shape", [(256, 784, 256), (130, 31, 17), (1, 1, 1), (33, 600, 5), (300, 16, 48)], ids=str)
def test_in_bfloat16_only_the_factors_are_rounded(shape):
    if not native.low():
        pytest.skip("this processor does not multiply bfloat16")
    torch.set_num_threads(1)
    (rows, a, b), net = shape, stack(shape[1:])
    x, g = torch.randn(rows, a), torch.randn(rows, b)
    with torch.no_grad():
        y, tape = net.run(x, low=True)
        down = net.back(tape, g)
    w, c = net.weights[0].detach(), net.biases[0].detach()
    assert tape.low
    near(y, halves(x) @ halves(w).t() + c)
    near(down, halves(g) @ halves(w))
    near(net.weights[0].grad, halves(g).t() @ halves(x))
    near(net.biases[0].grad, g.sum(0))


def test_narrower_layers_are_in_bfloat16_where_our_own_kernels_take_them():
    if not native.low():
        pytest.skip("this processor does not multiply bfloat16")
    gemm, x = Gemm(low_from=60_000, native=True, own_low_from=2**14), torch.randn(256, 30)
    for activation, found in (("relu", True), ("sigmoid", False)):
        net = MLP((30, 128, 128, 8), activation).start(torch.Generator().manual_seed(0))
        net.gemm = gemm
        assert net.low(256) is found
        assert not net.low(100)
        with torch.no_grad():
            assert isinstance(net.run(x)[1], Walked) is found


def test_rows_may_lie_apart_and_results_may_be_added_to(kernels):
    torch.set_num_threads(1)
    net, wide = stack((30, 64, 16)), torch.randn(50, 41)
    x, g = wide[:, 3:33], torch.randn(50, 16)
    with torch.no_grad():
        alone, tape = net.run(x.contiguous())
        down = net.back(tape, g)
        into, up = torch.full((50, 16), 2.0), torch.full((50, 30), 3.0)
        y, tape = net.run(x, into)
        back = net.back(tape, g, into=up)
    assert y is into
    assert back is up
    near(y - 2, alone)
    near(back - 3, down)


def test_a_rows_result_does_not_depend_on_the_rows_beside_it(kernels):
    net, x = stack((30, 300, 64, 16)), torch.randn(600, 30)
    with torch.no_grad():
        whole = net.plain(x)
        for some in (slice(0, 1), slice(5, 8), slice(100, 397)):
            assert torch.equal(net.plain(x[some]), whole[some])


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def bits(net, x, g, low):
    for p in net.parameters():
        p.grad = None
    with torch.no_grad():
        y, tape = net.run(x, low=low)
        down = net.back(tape, g)
        return [y, down, net.plain(x), *(p.grad for p in net.parameters())]


@pytest.mark.parametrize("low", [False, True])
def test_any_number_of_threads_gives_the_same_bytes(threads, low):
    if not native.there() or (low and not native.low()):
        pytest.skip("no kernels, or none in bfloat16")
    net, x, g = stack((500, 300, 90)), torch.randn(700, 500), torch.randn(700, 90)
    threads(1)
    alone = bits(net, x, g, low)
    for count in (2, 3):
        threads(count)
        assert all(torch.equal(a, b) for a, b in zip(bits(net, x, g, low), alone, strict=True))


def test_a_forked_child_works_with_the_threads_it_does_not_have(threads):
    if not native.there():
        pytest.skip("no kernels")
    threads(3)
    net, x = stack((500, 300, 90)), torch.randn(2000, 500)
    with torch.no_grad():
        here = net.plain(x)
        child = os.fork()
        if not child:
            os._exit(0 if np.array_equal(net._looked[1].infer(x).numpy(), here.numpy()) else 1)
    for _ in range(200):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child waits for threads that it does not have")
    assert status == 0


def test_new_weights_are_seen(kernels):
    net, x = stack((5, 4, 3)), torch.randn(2, 5)
    with torch.no_grad():
        before = net.plain(x)
        net.weights[0].mul_(2)
        doubled = net.plain(x)
        net.weights[0].data = net.weights[0] / 2
        assert not torch.allclose(doubled, before)
        near(net.plain(x), before)


def test_what_is_differentiated_or_batched_over_goes_by_torch(kernels):
    net, x = stack((5, 4, 3)), torch.randn(2, 5)
    assert net.plain(x).requires_grad
    with torch.no_grad():
        jacobian = torch.func.vmap(torch.func.jacfwd(lambda row: net.plain(row[None])[0]))(x)
        near(jacobian, net.jacobian(x))


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")  # two epochs
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_both_stacks_as_one_give_the_bytes_of_one_after_the_other(monkeypatch, precision):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(600, 6)) @ rng.normal(size=(6, 300))).astype("float32")
    x[::7, 3] = np.nan
    options = {"network": Dense(hidden=(256,), line=False), "epochs": 2, "batch_size": 128, "precision": precision}
    walked, whole = [], model_module.straight
    monkeypatch.setattr(model_module, "straight", lambda *way: walked.append(whole(*way)) or walked[-1])
    short = Autoencoder(8, random_state=0, verbose=False, **options).fit(x)
    assert walked
    assert native.fast() == (walked[0] is not None)
    monkeypatch.setattr(model_module, "straight", lambda *way: None)
    long = Autoencoder(8, random_state=0, verbose=False, **options).fit(x)
    for a, b in zip(short.model_.parameters(), long.model_.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("size", [1e-3, 10.0], ids=["small", "clipped"])
def test_adam_is_torchs(kernels, size):
    rng = torch.Generator().manual_seed(0)
    nets = [stack((9, 7, 5)), stack((9, 7, 5))]
    packs = [Packed(net, Plan(1, 1, 1e-2, weight_decay=0.1)) for net in nets]
    packs[1].adam = None
    for _ in range(30):
        grad = size * torch.randn(packs[0].grad.shape, generator=rng)
        for pack in packs:
            pack.grad.copy_(grad)
            pack.step(1e-2)
            assert not pack.grad.any()
    for name, tensor in packs[0].state().items():
        near(tensor, packs[1].state()[name])


def test_a_gradient_that_is_not_finite_is_left_out(kernels):
    pack = Packed(stack((9, 7, 5)), Plan(1, 1, 1e-2))
    pack.grad[3] = torch.nan
    before = {name: tensor.clone() for name, tensor in pack.state().items()}
    pack.step(1e-2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in pack.state().items())
    assert not pack.grad.any()


def test_without_them_a_fit_ends_the_same_within_rounding():
    script = (
        "from sklearn.datasets import load_digits; import numpy as np, latently.native, sys;"
        "from latently import Autoencoder; x = load_digits().data[:500];"
        "model = Autoencoder(8, epochs=3, precision='float32', random_state=0, verbose=False).fit(x);"
        "print(latently.native.there(), float(np.square(model.reconstruct(x) - x).mean()))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"LATENTLY_NATIVE": "0"}, capture_output=True, text=True,
        check=True,
    ).stdout.split()  # fmt: skip
    x = load_digits().data[:500]
    model = Autoencoder(8, epochs=3, precision="float32", random_state=0, verbose=False).fit(x)
    assert said[0] == "False"
    assert float(np.square(model.reconstruct(x) - x).mean()) == pytest.approx(float(said[1]), rel=1e-2)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_units_are_those_of_numpy_in_float64_to_the_bit(kernels, kind):
    rng = np.random.default_rng(0)
    whole = rng.normal(1e3, 7, (41, 30)).astype(kind)
    mean, scale, out = rng.normal(1e3, 1, 17), rng.uniform(0.1, 9, 17), torch.empty(41, 17)
    for x in (whole[:, 3:20], np.ascontiguousarray(whole[:, :17])):
        assert native.units(x, mean, scale, out)
        np.testing.assert_array_equal(out.numpy(), ((x - mean) / scale).astype(np.float32))
    for odd in (np.nan, np.inf, -np.inf):
        whole[40, 19] = odd
        assert native.units(whole[:, 3:20], mean, scale, out) is False


def test_units_of_other_numbers_or_layouts_are_left_to_others():
    x, one, out = np.ones((4, 3)), np.ones(3), torch.empty(4, 3)
    for other in (x.astype(np.int64), np.asfortranarray(x), x[:, ::-1]):
        assert native.units(other, one, one, out) is None
