"""A file is whole or refused."""

from dataclasses import replace

import pytest

from latently.codec import Block, Container, read, write
from latently.errors import BadParameter, FileProblem

FILE = Container(
    b"8 bytes.", "list", 40.0,
    (
        Block(2, 16, 24, 3, "uint8", "learned", bytes(range(40))),
        Block(1, 7, 5, 0, "uint16", "lossless", b"\x00" * 11),
    ),
    ("one.png", "zwei.png", "三.png"),
)  # fmt: skip


def test_what_was_written_is_read():
    assert read(write(FILE)) == FILE


def test_every_flipped_bit_is_found():
    data = write(FILE)
    for place in range(8 * len(data)):
        broken = bytearray(data)
        broken[place // 8] ^= 1 << place % 8
        with pytest.raises(FileProblem):
            read(bytes(broken))


def test_every_truncation_is_found_and_so_are_bytes_behind_the_end():
    data = write(FILE)
    for length in range(len(data)):
        with pytest.raises(FileProblem):
            read(data[:length])
    with pytest.raises(FileProblem, match="behind its end"):
        read(data + b"\x00")


@pytest.mark.parametrize(("height", "images"), [(2**31, 1), (0, 1), (16, 0)])
def test_sizes_that_no_picture_has_are_refused(height, images):
    block = replace(FILE.blocks[0], height=height, images=images)
    with pytest.raises(FileProblem, match="declares"):
        read(write(replace(FILE, blocks=(block,))))


def test_too_many_cells_in_all_are_refused():
    block = replace(FILE.blocks[0], height=2**14, width=2**14, images=2**10)
    with pytest.raises(FileProblem, match="values"):
        read(write(replace(FILE, blocks=(block,))))


def test_an_image_is_found_in_its_block():
    assert FILE.find(1) == (0, 1)
    assert FILE.find(2) == (1, 0)
    for image in (3, -1):
        with pytest.raises(BadParameter, match="holds 3"):
            FILE.find(image)


def test_a_newer_file_says_so():
    data = bytearray(write(FILE))
    data[4] = 2
    with pytest.raises(FileProblem, match="version 2"):
        read(bytes(data))


def test_names_of_other_images_are_refused():
    with pytest.raises(FileProblem, match="not those of its images"):
        read(write(replace(FILE, names=("one.png",))))


def test_a_file_may_have_no_names():
    assert read(write(replace(FILE, names=()))).names == ()
