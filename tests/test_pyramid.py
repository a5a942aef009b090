"""The pyramid: any height and width, the same weights at every size, the image itself where nothing is learned."""

import math

import pytest
import torch
from numpy.testing import assert_allclose

from latently.errors import BadParameter
from latently.parts import Pyramid
from latently.parts.networks import Ends, Gemm, Network
from latently.parts.networks.pyramid import Descent


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pair(shape: tuple[int, ...], design: Pyramid | None = None) -> tuple[Network, Network]:
    design = design or Pyramid((4, 6), blocks=(1, 2))
    cells, code = math.prod(shape), design.code(shape)
    return design.build(Ends(cells, code, code, cells, shape=shape), generator())


def stirred(shape: tuple[int, ...], design: Pyramid | None = None) -> tuple[Network, Network]:
    """No weight at zero."""
    networks = pair(shape, design)
    with torch.no_grad():
        for p in (p for net in networks for p in net.parameters()):
            p += 0.1 * torch.empty_like(p).normal_(generator=generator(1))
    return networks


def images(shape: tuple[int, ...], n: int = 3) -> torch.Tensor:
    return torch.empty(n, math.prod(shape)).normal_(generator=generator(2))


SHAPES = [(1, 8, 8), (3, 16, 12), (1, 5, 7), (2, 1, 1), (1, 33, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_any_image_comes_back_as_it_is_before_training(shape):
    encoder, decoder = pair(shape)
    x = images(shape)
    z = encoder(x)
    assert z.shape == (3, encoder.outputs)
    assert decoder.inputs == encoder.outputs == Pyramid((4, 6), (1, 2)).code(shape)
    assert torch.equal(decoder(z), x)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("design", [Pyramid((4, 6), (1, 2)), Pyramid((3,)), Pyramid((2, 3, 4), 2)])
def test_parameters_are_counted_before_they_are_made(shape, design):
    made = sum(p.numel() for net in pair(shape, design) for p in net.parameters())
    assert made == design.count(Ends(1, 1, 1, 1, shape=shape))


def test_the_same_weights_serve_another_size():
    encoder, decoder = stirred((1, 40, 40), Pyramid((3,)))  # sees 12 pixels around
    image = images((40, 60), 1).view(1, 40, 60)
    wide = encoder.at(40, 60), decoder.at(40, 60)
    assert [p.data_ptr() for p in wide[0].parameters()] == [p.data_ptr() for p in encoder.parameters()]
    whole = wide[1](wide[0](image.view(1, -1))).view(40, 60)
    part = decoder(encoder(image[:, :, 20:].reshape(1, -1))).view(40, 40)
    assert_allclose(part[:, 12:].detach(), whole[:, 32:].detach(), atol=1e-5)
    assert not torch.allclose(part[:, :6], whole[:, 20:26])  # there is another end


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 5, 7)])
def test_the_training_step_goes_back_as_autograd_does(shape):
    for net in stirred(shape):
        net.double()
        x = torch.empty(3, net.inputs, dtype=torch.float64).normal_(generator=generator(4))
        g = torch.empty(3, net.outputs, dtype=torch.float64).normal_(generator=generator(5))
        leaf = x.clone().requires_grad_()
        expected = torch.autograd.grad(net.plain(leaf), [leaf, *net.parameters()], g)
        for p in net.parameters():
            p.grad = torch.zeros_like(p)
        y, tape = net.run(x)
        assert torch.equal(y, net.plain(x))
        found = [net.back(tape, g), *(p.grad for p in net.parameters())]
        for a, b in zip(found, expected, strict=True):
            assert_allclose(a, b, rtol=1e-9, atol=1e-9)
        assert net.back(net.run(x)[1], g, to_input=False) is None


def test_bfloat16_trains_the_same_network():
    for net in stirred((1, 16, 16)):
        x = images((net.inputs,))
        exact = net.plain(x).detach()
        net.gemm = Gemm(low_from=1)
        low, tape = net.run(x)
        assert low.dtype == torch.float32
        assert 0 < float((low - exact).abs().max()) < 0.1 * float(exact.abs().max())
        net.back(tape, torch.ones_like(low))
        assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in net.parameters())
        assert torch.equal(net.plain(x), exact)  # prediction stays exact


def test_the_gain_scales_the_correction_alone():
    encoder, decoder = stirred((1, 8, 8))
    assert isinstance(decoder, Descent)
    x = images((1, 8, 8))
    z = encoder(x)
    whole = decoder(z) - x
    decoder.gain = 0.2
    assert_allclose((decoder(z) - x).detach(), 0.2 * whole.detach(), atol=1e-6)
    assert float(whole.detach().abs().max()) > 0.01


@pytest.mark.parametrize(
    ("design", "shape"),
    [(Pyramid(()), (1, 8, 8)), (Pyramid((0, 2)), (1, 8, 8)), (Pyramid((2, 2), (1,)), (1, 8, 8)), (Pyramid(), ())],
)
def test_what_cannot_be_built_is_refused(design, shape):
    with pytest.raises(BadParameter, match=r"expected|images"):
        design.build(Ends(64, 64, 64, 64, shape=shape), generator())


def test_a_code_of_another_width_is_refused():
    with pytest.raises(BadParameter, match="a code of"):
        Pyramid().build(Ends(64, 10, 10, 64, shape=(1, 8, 8)), generator())
