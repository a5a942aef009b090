"""Tables become files and come back: to the last bit, or no farther off than promised, or a typed error."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from latently import Compressor
from latently.codec import odds, sheets, trees
from latently.errors import BadData, BadParameter, FileProblem, UnsupportedInput

pytest.importorskip("constriction")

DTYPES = (
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
    ">f4", ">i8", "M8[ns]", "m8[s]",
)  # fmt: skip
HEAD = 500  # bytes that a file of an array may have beyond the array


def again(data, only=None, **options):
    return Compressor().decompress(Compressor(**options).compress(data), only)


def bits(array):
    return np.ascontiguousarray(array).tobytes()


def odd_frame(rows=700, seed=0):
    """Columns of every sort, with everything in them that gets lost on the way."""
    rng = np.random.default_rng(seed)
    floats = np.round(rng.normal(size=rows), 2)
    floats[:7] = [np.nan, -0.0, np.inf, -np.inf, np.pi, 1e-310, 1e300]
    payload = rng.normal(size=rows).view(np.uint64)
    payload[3] = 0x7FF8000000001234
    frame = pd.DataFrame({
        "number": np.arange(rows), "decimal": floats, "payload": payload.view(np.float64),
        "small": rng.integers(0, 3, rows).astype("int8"), "large": rng.integers(0, 2**64, rows, dtype=np.uint64),
        "half": rng.normal(size=rows).astype("float16"), "flag": rng.random(rows) > 0.5,
        "text": rng.choice(["a", "bb", "ünï, \"quoted\"", ""], rows), "key": [f"k{i:04}" for i in range(rows)],
        "level": pd.Categorical(rng.choice(["x", "y", "z"], rows), categories=["z", "y", "x", "w"], ordered=True),
        "digit": pd.Categorical(rng.integers(0, 4, rows)), "day": pd.date_range("2020", periods=rows, freq="h"),
        "zone": pd.date_range("2020", periods=rows, freq="h", tz="Europe/Berlin"),
        "gap": pd.array(rng.integers(0, 9, rows), dtype="Int64"), "span": pd.to_timedelta(rng.integers(0, 99, rows)),
        "constant": 7.5, "empty": np.full(rows, np.nan), "total": 0.0,
    })  # fmt: skip
    frame["total"] = frame["small"] + frame["number"]
    frame.loc[5:9, ["day", "gap", "text", "level"]] = None
    return frame


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (1,), (1, 1), (7,), (130, 2)])
def test_any_bits_in_an_array_come_back(dtype, shape):
    rng, size = np.random.default_rng(0), int(np.prod(shape))
    array = rng.integers(0, 256, size * np.dtype(dtype).itemsize, dtype=np.uint8)
    array = ((array > 99) if dtype == "bool" else array.view(dtype)).reshape(shape)
    file = Compressor().compress(array)
    back = Compressor().decompress(file)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert bits(back) == bits(array)
    assert len(file) <= array.nbytes + HEAD


@pytest.mark.parametrize("index", [None, "key", ["number", "text"], "day"])
def test_a_frame_comes_back_with_all_that_is_odd_in_it(index):
    frame = odd_frame()
    frame = frame if index is None else frame.set_index(index)
    back = again(frame)
    assert_frame_equal(back, frame, check_exact=True)
    assert type(back.index) is type(frame.index)
    for name in ("decimal", "payload", "half"):
        assert bits(back[name].to_numpy()) == bits(frame[name].to_numpy())
    assert_frame_equal(again(frame, [5, 699, 5]), frame.iloc[[5, 699, 5]], check_exact=True, check_freq=False)


@pytest.mark.parametrize("rows", [0, 1, 2, 63, 64, 65, 100])
def test_few_rows_are_a_table_too(rows):
    frame = odd_frame().iloc[50 : 50 + rows]
    assert_frame_equal(again(frame), frame, check_exact=True, check_freq=False)


def test_frames_of_polars_and_tables_of_arrow_keep_their_types():
    frame = pl.from_pandas(odd_frame().drop(columns=["half", "span"])).with_columns(
        pl.col("text").cast(pl.Categorical).alias("cat"), pl.lit([1, 2]).alias("list"),
        pl.col("small").cast(pl.String).cast(pl.Enum(["2", "0", "1"])).alias("enum"),
        pl.col("decimal").clip(-9, 9).fill_nan(None).round(2).cast(pl.Decimal(10, 2)).alias("money"),
    )  # fmt: skip
    back = again(frame)
    assert back.schema == frame.schema
    assert back.equals(frame)
    assert again(frame, slice(10, 20)).equals(frame[10:20])
    table = pa.table({
        "chunks": pa.chunked_array([[1, 2], [None, 4]]), "words": ["a", None, "b", "c"], "none": pa.nulls(4),
        "view": pa.array(["q", None, "r", "q"], pa.string_view()), "struct": [{"a": 1}, None, {"a": 2}, {"a": 1}],
        "levels": pa.chunked_array([pa.array(c).dictionary_encode() for c in (["u", "v"], ["w", "u"])]),
        "money": pa.array([1, 2, None, 1]).cast(pa.decimal128(20, 0)), "day": pa.array([1, 2, 3, 4], pa.date32()),
    }, metadata={"key": "value"})  # fmt: skip
    back = again(table)
    assert back.to_pylist() == table.to_pylist()
    assert back.schema.equals(table.schema, check_metadata=True)
    batch = table.combine_chunks().to_batches()[0]
    assert again(batch).equals(batch)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint64"])
@pytest.mark.parametrize("error", [1e-9, 0.004, 0.01, 0.3, 1, 2.7, 1e9])
def test_no_number_comes_back_farther_off_than_max_error(dtype, error):
    rng = np.random.default_rng(1)
    array = np.round(rng.normal(size=(400, 2)) * 9, 2).astype("float64" if dtype[0] == "f" else "int64")
    if dtype[0] == "f":
        array[5:8, 0] = [np.nan, np.inf, -0.0]
    else:
        array[:2, 0] = 99, -99
    array = array.astype(dtype)
    back = again(array, max_error=error)
    assert back.dtype == array.dtype
    finite = np.isfinite(array.astype(float))
    assert bits(back[~finite]) == bits(array[~finite])
    if dtype == "uint64":
        off = np.maximum(back, array) - np.minimum(back, array)
    else:
        off = np.abs(back[finite].astype(float) - array[finite].astype(float))
    assert off.max() <= error


def test_max_error_is_of_single_columns_and_only_of_numbers():
    frame = load_wine(as_frame=True).frame
    back = again(frame, max_error={"alcohol": 0.05, "proline": 20})
    off = (back - frame).abs().max()
    assert 0 < off["alcohol"] <= 0.05
    assert 0 < off["proline"] <= 20
    assert off.drop(["alcohol", "proline"]).max() == 0
    assert len(Compressor(max_error=0.1).compress(frame)) < len(Compressor().compress(frame))
    words = frame.astype({"target": str})
    assert (again(words, max_error=5)["target"] == words["target"]).all()
    for wrong, said in (({"nope": 1}, "'nope'"), ({"target": 1}, "no numbers"), (-1, "at least 0"), ("1", "number")):
        with pytest.raises(BadParameter, match=said):
            Compressor(max_error=wrong).compress(words)


def test_rows_of_any_group_come_back_and_the_rest_is_left_alone(monkeypatch):
    monkeypatch.setattr(sheets, "GROUP", 256)
    frame = odd_frame(rows=1100)[["number", "decimal", "level", "large", "text", "total"]]
    coder = Compressor()
    file = coder.compress(frame)
    assert coder.verify(file)["groups"] == 5
    assert_frame_equal(coder.decompress(file), frame, check_exact=True)
    read, opened = sheets.read_field, set()
    monkeypatch.setattr(sheets, "read_field", lambda d, p, k, v, m: opened.add(k.rows) or read(d, p, k, v, m))
    for only, groups in (([1099, 3, 1027], {256, 76}), (slice(1030, 1090), {256, 76}), ([5], {256}), ([], {256})):
        opened.clear()
        assert_frame_equal(coder.decompress(file, only=only), frame.iloc[only], check_exact=True)
        assert opened == groups
    with pytest.raises(BadParameter, match="no row 1100"):
        coder.decompress(file, only=[1100])


def test_every_flipped_byte_is_an_error():
    file = Compressor().compress(odd_frame(rows=90)[["decimal", "level", "text", "large", "total"]])
    rng = np.random.default_rng(0)
    for place in range(len(file)):
        broken = bytearray(file)
        broken[place] ^= int(rng.integers(1, 256))
        for act in (Compressor().verify, Compressor().decompress):
            with pytest.raises(FileProblem):
                act(bytes(broken))
    for broken in (file[:-1], file[: len(file) // 2], file[:9], b"", file + b"\x00"):
        with pytest.raises(FileProblem):
            Compressor().decompress(broken)


def test_a_whole_file_of_nonsense_is_an_error():
    """The checksums are right, what they check is not."""
    facts = {"rows": 5, "lengths": [[3]], "sums": [0], "sum": 0, "schema": 0, "columns": [{}], "form": {}}
    for head in (b"{}", b"[]", b"no", sheets.json.dumps(facts).encode()):
        told = sheets.squeeze(head)
        top = sheets.FIXED.pack(sheets.MAGIC, sheets.VERSION, len(told), 0) + told
        with pytest.raises(FileProblem):
            Compressor().decompress(top + sheets.SUM.pack(sheets.zlib.crc32(top)) + b"\0\0\0")


def test_columns_that_know_each_other_take_fewer_bits_than_alone():
    frame = load_breast_cancer(as_frame=True).frame
    coder = Compressor()
    alone = sum(len(coder.compress(frame[[name]])) - len(coder.compress(frame[[name]].iloc[:0])) for name in frame)
    assert len(coder.compress(frame)) < 0.95 * alone
    rng = np.random.default_rng(0)
    base = rng.integers(0, 1 << 30, 5000)
    sums = np.stack([base, base[::-1], base + base[::-1]], 1)
    assert len(coder.compress(sums)) < 1.1 * len(coder.compress(sums[:, :2]))  # a sum tells nothing new
    assert len(coder.compress(np.arange(10**6, 10**6 + 5000) * 13)) < HEAD


def test_quotients_of_whole_numbers_are_found_though_one_of_them_is_hidden():
    rng = np.random.default_rng(0)
    people, homes, rooms = (rng.integers(1, top, 3000) for top in (4000, 900, 6000))
    frame = pd.DataFrame({"rooms": rooms / homes, "people": people, "size": (people / homes).astype("float32")})
    frame["size"] = people / homes
    file = Compressor().compress(frame)
    assert [c["codec"] for c in Compressor().verify(file)["columns"]] == ["quotient", "whole", "quotient"]
    assert_frame_equal(Compressor().decompress(file), frame, check_exact=True)
    assert 8 * len(file) / 3000 < np.log2(4000 * 900 * 6000) + 3


def test_the_same_table_is_the_same_file_on_any_machine():
    """Golden: the bytes follow from whole numbers alone, and old files stay readable."""
    frame = load_iris(as_frame=True).frame
    assert Compressor().compress(frame) == Compressor().compress(frame)
    code = (
        "import sys, numpy as np; from latently import Compressor\n"
        "sys.stdout.buffer.write(Compressor().decompress(sys.stdin.buffer.read()).tobytes())"
    )
    values = frame.to_numpy()
    found = subprocess.run([sys.executable, "-c", code], input=Compressor().compress(values), stdout=-1, check=True)
    assert found.stdout == values.tobytes()


def test_logarithms_and_chances_by_whole_numbers_are_the_true_ones():
    one = 1 << odds.FINE
    numbers = np.arange(1, 1 << 15)
    assert np.abs(odds.logs(1 << 15)[1:] - one * np.log2(numbers)).max() <= 0.51
    z = np.arange(-odds.ODDS, odds.ODDS + 1) / one
    assert np.abs(odds.chance() - odds.PARTS / (1 + 2.0**-z)).max() <= 1


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 64, 100, 1023])
def test_rows_by_bisection_know_their_neighbours_before_they_are_coded(count):
    order = trees.Order.of(count)
    assert sorted(order.rows) == list(range(count))
    for place in range(1, count):
        left, right = order.left[place], order.right[place]
        assert max(left, right) < place
        assert order.rows[left] < order.rows[place]
        assert order.rows[right] > order.rows[place] or left == right


def test_what_is_no_table_is_refused_in_words():
    coder = Compressor()
    for wrong, error, said in (
        (np.zeros(3, complex), BadData, "complex128"), (pd.Series([1, 2]), UnsupportedInput, "to_frame"),
        (pd.DataFrame({"a": [1, "x", None]}), BadData, "one sort"), (pd.DataFrame({"a": [1], 5: [2]}), BadData, "name"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), BadData, "more than once"),
        (pl.Series([1]), UnsupportedInput, "to_frame"), (pl.LazyFrame({"a": [1]}), UnsupportedInput, "collect"),
        (pl.DataFrame({"a": [object()]}), BadData, "one sort"), (np.ma.array([1], mask=[1]), BadData, "mask"),
    ):  # fmt: skip
        with pytest.raises(error, match=said):
            coder.compress(wrong)
    with pytest.raises(BadData, match="names"):
        coder.compress(np.zeros((2, 2)), names=["a", "b"])
    with pytest.raises(BadData, match="need no fit"):
        coder.fit(pd.DataFrame({"a": [1, 2]}))
