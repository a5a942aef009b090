"""What is stored without loss comes back bit for bit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from latently.codec.lossless import pack, unpack
from latently.errors import FileProblem

SHAPES = [(3, 9, 7), (2, 9, 7, 1), (2, 9, 7, 3), (1, 9, 7, 4), (2, 5, 6, 2), (1, 4, 3, 7)]


def smooth(shape, dtype, rng):
    values = np.cumsum(rng.normal(size=shape), 1) * 20 + 100
    return np.clip(values, 0, 250).astype(dtype)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int16", "int32", "uint64", "float32", "float64", ">u2"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_dtype_and_form_comes_back(shape, dtype):
    images = smooth(shape, dtype, np.random.default_rng(0))
    back = unpack(pack(images), shape, images.dtype.newbyteorder("=").name)
    assert back.dtype == images.dtype.newbyteorder("=")
    assert_array_equal(back, images)


def test_extreme_values_come_back():
    images = np.array([[[-(2**31), 2**31 - 1], [0, -1]]], np.int32)
    assert_array_equal(unpack(pack(images), images.shape, "int32"), images)
    odd = np.array([[[np.nan, -0.0], [np.inf, 1e-45]]], np.float32)
    assert_array_equal(unpack(pack(odd), odd.shape, "float32").view(np.uint32), odd.view(np.uint32))


@pytest.mark.parametrize("data", [b"", b"\x00RIFF", b"\x01abc", b"\x09"])
def test_other_bytes_are_refused(data):
    with pytest.raises(FileProblem, match="lossless"):
        unpack(data, (1, 4, 4), "uint8")
