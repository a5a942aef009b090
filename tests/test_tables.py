"""Tables in files: what people write is what is read, and what cannot be read is said with file and line."""

import gzip
import subprocess
import sys
from datetime import date, datetime, timezone

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from latently.errors import BadData, FileProblem, LatentlyError
from latently.faces import tables
from latently.faces.layout import Layout
from latently.faces.sniff import layout_of


@pytest.fixture
def put(tmp_path):
    """Write text or bytes to a file, and get its path."""

    def put(content, name="table.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return put


def column(*cells, put, name="a", **how):
    """What is read from a column of these cells, beside another one."""
    lines = "".join(f"{cell};x\n" for cell in cells)
    return tables.examine(put(f"{name};beside\n{lines}"), **how)


UTC = timezone.utc  # noqa: UP017
T, F = True, False
CELLS = {
    # a column's cells: the type and the values that are read
    "1 2 -3": ("int64", [1, 2, -3]),
    "+1 2": ("int64", [1, 2]),
    "0 -0 10": ("int64", [0, 0, 10]),
    "1 2.5 1e3": ("double", [1, 2.5, 1000]),
    ".5 5. -inf": ("double", [0.5, 5, -np.inf]),
    "1e25 12345678901234567890": ("double", [1e25, 12345678901234567890.0]),
    "9223372036854775807 1": ("int64", [2**63 - 1, 1]),
    "9223372036854775808 1": ("string", ["9223372036854775808", "1"]),
    "00123 45678": ("string", ["00123", "45678"]),
    "-01 2": ("string", ["-01", "2"]),
    "0x1A 0x1B": ("string", ["0x1A", "0x1B"]),
    "1_000 2": ("string", ["1_000", "2"]),
    "inf nan": ("string", ["inf", None]),
    "true False TRUE": ("bool", [T, F, T]),
    "true no": ("string", ["true", "no"]),
    "yes no": ("string", ["yes", "no"]),
    "1 true": ("string", ["1", "true"]),
    "2024-02-29 1999-12-31": ("date32[day]", [date(2024, 2, 29), date(1999, 12, 31)]),
    "2023-02-29 2023-03-01": ("string", ["2023-02-29", "2023-03-01"]),
    "2024-02-29T10:30 2024-03-01": ("timestamp[s]", [datetime(2024, 2, 29, 10, 30), datetime(2024, 3, 1)]),
    "2024-02-29T10:30:00.25": ("timestamp[us]", [datetime(2024, 2, 29, 10, 30, 0, 250000)]),
    "2024-02-29T10:30:00Z 2024-02-29T10:30:00+02:00": (
        "timestamp[s, tz=UTC]",
        [datetime(2024, 2, 29, 10, 30, tzinfo=UTC), datetime(2024, 2, 29, 8, 30, tzinfo=UTC)],
    ),
    "2024-02-29T10:30:00Z 2024-02-29T10:30:00": ("string", ["2024-02-29T10:30:00Z", "2024-02-29T10:30:00"]),
    "31/1/2024 1/2/2024": ("date32[day]", [date(2024, 1, 31), date(2024, 2, 1)]),
    "1/31/2024 2/1/2024": ("date32[day]", [date(2024, 1, 31), date(2024, 2, 1)]),
    "1/2/2024 3/4/2024": ("string", ["1/2/2024", "3/4/2024"]),
    "1/31/2024 31/1/2024": ("string", ["1/31/2024", "31/1/2024"]),
    "31/2/2024 1/2/2024": ("string", ["31/2/2024", "1/2/2024"]),
    "1.2.2024 3.4.2024": ("date32[day]", [date(2024, 2, 1), date(2024, 4, 3)]),
    "2024/1/31 2024/02/01": ("date32[day]", [date(2024, 1, 31), date(2024, 2, 1)]),
    "13/1/24 1/2/24": ("string", ["13/1/24", "1/2/24"]),
    "10:30 23:59": ("string", ["10:30", "23:59"]),
    "10.1.2.3 10.1.2.4": ("string", ["10.1.2.3", "10.1.2.4"]),
    "3,14 2": ("double", [3.14, 2]),
    "3,142 -0,5": ("double", [3.142, -0.5]),
    "1,234 5,678": ("string", ["1,234", "5,678"]),
    "1.234,5 2": ("string", ["1.234,5", "2"]),
    "1,234,567 0,5": ("string", ["1,234,567", "0,5"]),
}


@pytest.mark.parametrize("cells", CELLS)
def test_a_column_gets_the_type_that_all_its_cells_have(cells, put):
    kind, values = CELLS[cells]
    found = column(*cells.split(), "", put=put).table["a"]
    assert (str(found.type), found.to_pylist()) == (kind, [*values, None])


def test_times_of_day_go_with_dates_of_every_order(put):
    first = column("31/12/2023 9:05", "1/1/2024 23:59:30", put=put).table["a"].to_pylist()
    assert first == [datetime(2023, 12, 31, 9, 5), datetime(2024, 1, 1, 23, 59, 30)]
    half = ["12/31/2023 12:05 AM", "12/31/2023 12:05 PM", "12/31/2023 1:05 pm"]
    assert [moment.hour for moment in column(*half, put=put).table["a"].to_pylist()] == [0, 12, 13]


def test_a_type_is_decided_by_the_whole_column_and_not_by_its_head(put):
    for last, kind in {"7": "int64", "7.5": "double", "x": "string", "": "int64"}.items():
        assert str(column(*["1"] * 30_000, last, put=put).table["a"].type) == kind


def test_remarks_tell_why_a_column_is_text_and_what_helps(put):
    expected = {
        ("00123", "4"): "leading zeros, such as '00123'",
        ("9" * 19, "99999999999999999999"): "64 bits",
        ("1/2/2024",): "which comes first",
        ("13/1/2024", "1/13/2024"): "now first, now second",
        ("30/2/2024",): "2024-02-30",
        ("2024-02-28", "0000-00-00"): "--missing=0000-00-00",
        ("2024-02-28", "2024-02-29", "open"): "--missing=open",
        ("13/1/24",): "two digits",
        ("10:30",): "without a day",
        ("2024-02-29T10:30:00Z", "2024-02-29T10:30:00"): "zone",
        ("1,234", "5,678"): "'1,234'",
        ("1", "2", "3", "abc"): "--missing=abc",
    }
    for cells, words in expected.items():
        (remark,) = column(*cells, put=put).remarks
        assert words in remark
        assert "'a'" in remark


def test_a_table_separated_by_spaces_is_suspected(put):
    assert "spaces" in tables.examine(put("a b\n1 2\n3 4\n")).remarks[0]
    assert tables.examine(put("full name\nCher\nAda Lovelace\n")).remarks == ()


def test_the_caller_can_say_which_comes_first_and_what_is_text(put):
    for day_first, month in ((True, 2), (False, 1)):
        assert column("1/2/2024", put=put, day_first=day_first).table["a"].to_pylist()[0].month == month
    assert column("1/31/2024", put=put, day_first=True).table["a"].to_pylist() == [date(2024, 1, 31)]
    found = column("1", "2.50", "?", put=put, text=["a"])
    assert found.table["a"].to_pylist() == ["1", "2.50", None]
    assert found.remarks == ()


# ---------------------------------------------------------------------- missing cells

MARKERS = ["", "?", "-", ".", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("value", ["1", "2.5", "true", "2024-02-29", "28/2/2024", "3,14"])
def test_among_numbers_and_dates_every_marker_is_a_missing_cell(marker, value, put):
    found = column(value, marker, value, put=put)
    plain = column(value, value, put=put)
    assert found.table["a"].to_pylist()[1] is None
    assert found.table["a"].drop_null().to_pylist() == plain.table["a"].to_pylist()
    assert found.layout.missing == (marker,)


def test_leading_zeros_with_markers_are_text_with_missing_cells(put):
    assert column("00123", "-", put=put).table["a"].to_pylist() == ["00123", None]


def test_in_text_a_marker_is_missing_unless_it_may_be_a_category(put):
    words = ["red", "green", *MARKERS]
    found = column(*words, put=put)
    assert [word for word in words if word not in found.table["a"].to_pylist()] == [
        "", "?", "NA", "N/A", "NaN", "nan", "null", "NULL"
    ]  # fmt: skip
    assert {remark.split("'")[1] for remark in found.remarks} == {"-", ".", "None"}
    assert all("--missing=" in remark for remark in found.remarks)
    asked = column(*words, put=put, missing=("None", "-"))
    assert [remark.split("'")[1] for remark in asked.remarks] == ["."]


def test_namibia_is_no_missing_cell(put):
    found = column("DE", "NA", "US", put=put)
    assert found.table["a"].to_pylist() == ["DE", "NA", "US"]
    assert "'NA'" in found.remarks[0]
    assert column("Gd", "NA", "TA", "Fa", put=put).table["a"].to_pylist() == ["Gd", None, "TA", "Fa"]


def test_codes_for_missing_are_missing_when_asked_and_remarked_else(put):
    cells = ["3", "5", "-999", "4", "-999"]
    found = column(*cells, put=put)
    assert found.table["a"].to_pylist() == [3, 5, -999, 4, -999]
    assert "--missing=-999" in found.remarks[0]
    for text in ("-999", "-999.0", " -999 "):
        assert column(*cells[:3], "-999.00", put=put, missing=(text,)).table["a"].to_pylist() == [3, 5, None, None]
    for fine in (["3", "5", "99"], ["90", "95", "99", "99"], ["-999", "0", "999", "999"]):
        assert column(*fine, put=put).remarks == ()


def test_a_column_without_a_value_is_a_column_of_unknown_numbers(put):
    found = column("", "NA", put=put).table["a"]
    assert (str(found.type), found.null_count) == ("double", 2)


def test_codes_are_missing_in_parquet_too(tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table({"n": [1, -9], "x": [-9.0, 0.5], "t": ["-9", "a"], "b": [True, False]})
    tables.write(table.append_column("d", pa.array(["-9", "b"]).dictionary_encode()), path)
    found = tables.read(path, missing=("-9",))
    assert [c.null_count for c in found.columns] == [1, 1, 1, 0, 1]
    assert found.schema.types[:4] == table.schema.types
    assert tables.read(path)["n"].null_count == 0


# ---------------------------------------------------------------------- layout

LINES = {
    # content: the names, the number of rows, the line that describes it
    "a,b\n1,2\n": ("ab", 1, "comma-separated"),
    "a;b\n1,5;2\n2,5;3\n": ("ab", 2, "semicolon-separated, decimal comma"),
    "1,5;2,5\n3,5;0,25\n": (("column0", "column1"), 2, "semicolon-separated, decimal comma, no line of names"),
    "a\tb\n1,5\tx, y\n": ("ab", 1, "tab-separated, decimal comma"),
    "a|b\n1|?\n2|3\n": ("ab", 2, "bar-separated, missing cells marked '?'"),
    "a,b\n1,\n2,-\n,3\n": ("ab", 3, "comma-separated, missing cells empty or marked '-'"),
    'a,b\n"x;y;z",1\n"p;q",2\n': ("ab", 2, "comma-separated"),
    'a;b\n"x;1,5";"2,5"\n': ("ab", 1, "semicolon-separated, decimal comma"),
    "size, cm;kg\n1,5;2\n2,5;3\n": (("size, cm", "kg"), 2, "semicolon-separated, decimal comma"),
    "a,b\n'x,y',1\n'z',2\n": ("ab", 2, "comma-separated, quoted by '"),
    "a,b\n'tis,1\n'twas,2\n": ("ab", 2, "comma-separated"),
    "a,b\n28/2/2024,1\n": ("ab", 1, "comma-separated, dates as day/month/year"),
    "a b\n1\n2\n": (("a b",), 2, "one column"),
    "a,b,\n1,2,\n3,4,\n": ("ab", 2, "comma-separated"),
    "a,b\n1,2,\n3,4,\n": ("ab", 2, "comma-separated"),
    "a,b\r1,2\r3,4": ("ab", 2, "comma-separated"),
    "a,b\r\n1,2\r\n\r\n3,4\r\n\r\n": ("ab", 2, "comma-separated"),
    '"a\nb",c\n"x\ny",1\n': (("a\nb", "c"), 1, "comma-separated"),
    "a,b\nx,1\n1,2\n": ("ab", 2, "comma-separated"),
    '"a","b"\n"1","x"\n"2","y"\n': ("ab", 2, "comma-separated"),
}


@pytest.mark.parametrize("content", LINES)
def test_how_a_file_is_laid_out_is_found_and_told_in_one_line(content, put):
    names, rows, line = LINES[content]
    path = put(content)
    found = tables.examine(path)
    assert tables.columns(path) == found.table.column_names == list(names)
    assert found.table.num_rows == rows
    assert str(found.layout) == line


def test_row_names_as_r_writes_them_are_a_column_without_a_name(put):
    found = tables.examine(put("a,b\nr1,1,2\nr2,3,4\n"))
    assert found.table.to_pydict() == {"": ["r1", "r2"], "a": [1, 3], "b": [2, 4]}
    assert "row names" in str(found.layout)
    assert "--drop" in found.remarks[0]


HEADERS = {
    # first lines: whether the first holds names
    "5.1,3.5,1.4\n4.9,3.0,1.4\n": False,
    "5.1,?,1.4\n4.9,3.0,1.4\n": False,
    "2019,2020,2021\n1,2,3\n": True,
    "country,2019,2020\nDE,1,2\n": True,
    "2001,2005\n1999,2003\n1998,2000\n": False,
    "0,1,2\n5,3,8\n": True,
    ",0\n0,3.5\n1,2.5\n": True,
    "0,1\n1,1\n0,0\n": False,
    "400.5,410.5,420.5,430.5,440.5\n.3,.1,.2,.5,.4\n.2,.1,.3,.2,.2\n": True,
    "1.5,2.5,3.5,4.5,5.5\n2,3,4,5,6\n1,3,5,7,9\n": False,
    "1.5,2.5\n3.5,0.5\n4.5,1.5\n": False,
    "39,State-gov,77516\n50,Private,83311\n": False,
    "Anna,3,1\nBen,2,5\n": False,
    "2024-01-01,red\n?,red\n2024-01-02,blue\n": False,
    "country,2024-01-01,2024-01-02\nDE,1,2\n": True,
    "p,x,s\np,s,x\nx,x,s\ns,x,x\n": False,
    "name,code\nname,7\n": True,
    "nan,inf\n1,2\n": True,
    "7\n8\n9\n": False,
}


@pytest.mark.parametrize("content", HEADERS)
def test_a_first_line_of_values_is_a_row(content, put):
    found = tables.examine(put(content))
    assert found.layout.header is HEADERS[content]
    assert found.table.num_rows == content.count("\n") - HEADERS[content]
    assert any("line of numbers" in remark for remark in found.remarks) is not HEADERS[content]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "T.CSV.GZ"])
def test_every_usual_encoding_gives_the_same_table(encoding, name, put):
    text = "größe,name\n1.5,Zoë\n2.5,naïve – €\n"
    raw = (b"\xff\xfe" if encoding == "utf-16-le" else b"") + text.encode(encoding)
    found = tables.examine(put(gzip.compress(raw, mtime=0) if name.lower().endswith("gz") else raw, name))
    assert found.table.to_pydict() == {"größe": [1.5, 2.5], "name": ["Zoë", "naïve – €"]}
    assert any("Windows-1252" in remark for remark in found.remarks) == (encoding == "cp1252")


def test_a_letter_far_down_that_is_not_utf_8_is_read_too(put):
    for quoted in ("x", '"x"'):
        content = "a, b\n" + f"1, {quoted}\n" * 100_000 + "1, ü\n"
        found = tables.examine(put(content, encoding="cp1252"))
        assert found.layout.encoding == "cp1252"
        assert found.table["b"].to_pylist()[-2:] == ["x", "ü"]


def test_spaces_around_cells_mean_nothing_even_before_quotes(put):
    plain = tables.read(put("a ,b, c\n39, State-gov , ?\n 50 ,Private,7\n"))
    assert plain.to_pydict() == {"a": [39, 50], "b": ["State-gov", "Private"], "c": [None, 7]}
    quoted = tables.read(put('a, b\n39, "State, gov"\n50, "5"" pipe"\n'))
    assert quoted.to_pydict() == {"a": [39, 50], "b": ["State, gov", '5" pipe']}


def test_points_between_thousands_stay_text_where_the_comma_is_the_decimal_mark(put):
    found = tables.examine(put("a;b;c\n1.234;0,5;1.5\n12.345;1,5;2.25\n"))
    assert found.table.to_pydict() == {"a": ["1.234", "12.345"], "b": [0.5, 1.5], "c": [1.5, 2.25]}
    assert "'1.234'" in found.remarks[0]


@pytest.mark.parametrize("delimiter", list(",;\t|"))
def test_tables_made_by_chance_come_back_under_every_delimiter(delimiter, put):
    rng = np.random.default_rng(7)
    odd = ["a,b", "c;d", "e|f", 'say "x"', "two\nlines", "tab\tin", "ü", "it's"]
    for _ in range(5):
        rows = int(rng.integers(2, 40))
        made = {
            "n": rng.integers(-99, 99, rows).tolist(),
            "x": (rng.normal(size=rows) * 10.0 ** rng.integers(-9, 9)).tolist(),
            "t": ["word", *rng.choice(odd, rows - 1).tolist()],
            "d": [date(2000, 1, 1 + int(k)) for k in rng.integers(0, 28, rows)],
        }
        quoted = [
            [f'"{str(v).replace(chr(34), chr(34) * 2)}"' for v in row] for row in zip(*made.values(), strict=True)
        ]
        text = "\n".join(delimiter.join(row) for row in [list(made), *quoted])
        assert tables.read(put(text)).to_pydict() == made


# ---------------------------------------------------------------------- mistakes

BROKEN = {
    # content: what is said
    "": "is empty",
    "\n1,2\n": "empty line",
    "a,b\n": "no rows",
    "a,b\n1,2\n3\n": "line 3: Expected 2 columns, got 1: '3'",
    'a,b\n"x\ny",2\n\n3,4,5\n': "line 5: Expected 2 columns, got 3",
    'a,b\n1,"x\n2,y\n': "line 2: a quote is opened and never closed",
    '"': "line 1: a quote is opened",
    "a,b,a\n1,2,3\n": "'a' stands more than once",
    "a,,\n1,2,3\n": "columns 2 and 3 have no name",
    "a,b\n1,x\0y\n": "line 2: holds NUL bytes",
    "a,b\n1," + "x" * 140_000 + "\n": "line 2: a cell of more than 131,072 characters",
    "a,b,\n" + "1,2,\n" * 600 + "1,2,3\n": "Name that column",
    "My table\na,b\n1,2\n": "line 2: Expected 1 columns, got 2: 'a,b'. Take out the lines above",
    "sep=;\na;b\n1;2\n": "Take it out",
    b"a,b\n1,\x81\x8d\n": "unknown encoding",
    "PAR1": "call it .parquet",
    b"PK\x03\x04": "save the sheet",
    gzip.compress(b"a,b\n1,2\n", mtime=0): "add .gz",
    "a,b\n1,2\n".encode("utf-16-le"): "NUL",
}


@pytest.mark.parametrize("content", BROKEN)
def test_what_is_wrong_with_a_file_is_said_with_its_name_and_the_line(content, put):
    path = put(content)
    with pytest.raises((FileProblem, BadData)) as caught:
        tables.read(path)
    assert BROKEN[content] in str(caught.value)
    assert str(path) in str(caught.value)


def test_any_bytes_give_a_table_that_can_be_written_and_read_or_a_mistake_with_a_name(put, tmp_path):
    pieces = [*"x-?,;|'\"\n\t \0é", "1", "2.5", "3,14", "1.234", "00", "NA", "true", "1/2/2024", "31/12/2024"]
    pieces += ["2024-02-29", "10:30", "inf", "2019", "+5", "1e5", "\n\n", "\r\n", '"a,b"', "9" * 20]
    rng, tables_read = np.random.default_rng(3), 0
    for _ in range(200):
        raw = "".join(rng.choice(pieces, rng.integers(1, 30))).encode(rng.choice(["utf-8", "utf-16", "cp1252"]))
        path = put(raw, "odd.csv")
        try:
            found = tables.examine(path).table
        except LatentlyError as mistake:
            assert str(path) in str(mistake)  # noqa: PT017
            continue
        tables_read += 1
        assert found.column_names == tables.columns(path)
        tables.write(found, tmp_path / "again.csv")
        assert tables.read(tmp_path / "again.csv").num_columns in (found.num_columns, found.num_columns - 1)
    assert tables_read > 20


FAR = {
    "3\n": "Expected 2 columns",
    '5,"x\n1,2\n1,2\n': "line 60002: a quote is opened and never closed",
    "1,x\0y\n": "line 60002: holds NUL bytes",
    f"1,{'x' * 140_000}\n": "line 60002: a cell of more than",
    f"1,{'x' * 2_000_000}\n": "line 60002: a cell of more than",
}


@pytest.mark.parametrize("line", FAR)
def test_a_mistake_far_below_the_head_is_found_too(line, put):
    with pytest.raises(FileProblem) as caught:
        tables.read(put("a,b\n" + "1,y\n" * 60_000 + line))
    assert FAR[line] in str(caught.value)


def test_files_cut_short_or_misnamed_are_refused(put, tmp_path):
    table = pa.table({"a": np.arange(100_000)})
    for suffix in (".csv.gz", ".parquet", ".arrow"):
        whole = tmp_path / f"whole{suffix}"
        tables.write(table, whole)
        for raw in (whole.read_bytes()[:-20], b"a,b\n1,2\n"):
            with pytest.raises(FileProblem, match="cut"):
                tables.read(put(raw, f"cut{suffix}"))


def test_an_unknown_column_brings_up_its_neighbour(put):
    path = put("colour,size\n1,2\n")
    with pytest.raises(BadData, match="Did you mean 'colour'"):
        tables.read(path, columns=["color"])
    assert tables.read(path, columns=["size", "colour"]).column_names == ["size", "colour"]


def test_names_that_say_no_table_are_refused(tmp_path):
    (tmp_path / "t.txt").write_text("a,b\n1,2\n")
    tables.check_input(tmp_path / "t.txt")
    for check, name in ((tables.check_input, "t.xlsx"), (tables.check_output, "t.txt")):
        (tmp_path / name).touch()
        with pytest.raises(FileProblem, match=r"\.parquet"):
            check(tmp_path / name)


# ---------------------------------------------------------------------- out, and in again


@pytest.fixture(scope="module")
def mixed():
    """A table with every kind of column, gaps, and text that needs quotes."""
    moments = pa.array([0, 1_500_000, None], pa.timestamp("us"))
    return pa.table(
        {
            "n": pa.array([1, None, -3]), "x, y": pa.array([0.1, 1e-300, None]), "b": pa.array([True, None, False]),
            "t": pa.array(["a,b", 'say "x"\nü', None]), "id": pa.array(["007", "1", "2"]),
            "day": pa.array([date(2024, 2, 29), None, date(1, 1, 1)]),
            "at": moments, "ns": pa.array([1, None, 3], pa.timestamp("ns")),
            "utc": moments.cast(pa.timestamp("us", "UTC")), "s": moments.cast(pa.timestamp("s"), safe=False),
        }
    )  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".arrow", ".feather"])
def test_what_is_written_is_read_again(suffix, mixed, tmp_path):
    path = tmp_path / f"t{suffix}"
    tables.write(mixed, path)
    again = tables.read(path)
    assert again.to_pydict() == mixed.to_pydict()
    kept = [name for name in mixed.column_names if name != "s" or suffix != ".parquet"]  # which has no seconds
    assert again.select(kept).equals(mixed.select(kept))
    assert tables.columns(path) == mixed.column_names
    assert list(tmp_path.iterdir()) == [path]


def test_binary_tables_keep_every_type_and_text_spells_categories_out(tmp_path):
    kinds = pa.table({"c": pa.array(["x", None, "y"]).dictionary_encode(), "f": pa.array([1.5, 2, None], pa.float32())})
    for suffix in (".parquet", ".arrow", ".feather"):
        tables.write(kinds, tmp_path / f"t{suffix}")
        assert tables.read(tmp_path / f"t{suffix}").equals(kinds)
    with pa.OSFile(str(tmp_path / "stream.arrow"), "wb") as file, pa.ipc.new_stream(file, kinds.schema) as writer:
        writer.write_table(kinds)
    assert tables.read(tmp_path / "stream.arrow").equals(kinds)
    tables.write(kinds, tmp_path / "t.csv")
    assert tables.read(tmp_path / "t.csv")["c"].to_pylist() == ["x", None, "y"]
    zone = pa.table({"t": pa.array([0], pa.timestamp("s", "Europe/Berlin"))})
    tables.write(zone, tmp_path / "t.csv")
    assert tables.read(tmp_path / "t.csv")["t"].cast(zone.schema.types[0]).equals(zone["t"])


def test_one_column_keeps_its_gaps(tmp_path):
    table = pa.table({"a": pa.array([1, None, 3, None])})
    tables.write(table, tmp_path / "t.csv")
    assert tables.read(tmp_path / "t.csv").equals(table)


def test_what_does_not_fit_into_csv_is_refused_and_leaves_nothing(tmp_path):
    for odd in ([[1, 2]], [b"\xff"], [{"x": 1}]):
        with pytest.raises(BadData, match=r"Write Parquet|another format"):
            tables.write(pa.table({"a": odd, "b": pa.array([1], pa.duration("s"))}), tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []


def test_columns_are_known_from_the_head_of_a_file(put, tmp_path):
    cut = put("a,b\n" + "1,2\n" * 200_000 + "3\n")
    assert tables.columns(cut) == ["a", "b"]
    assert layout_of(cut) == Layout(("a", "b"), longest=4)


def test_looking_at_a_head_loads_nothing_heavy_and_reading_no_torch(put):
    script = """
import sys
from pathlib import Path
from latently.faces import tables
tables.columns(Path(sys.argv[1]))
assert not {"torch", "pandas", "numpy", "pyarrow"} & set(sys.modules)
tables.read(Path(sys.argv[1]), missing=("7",))
assert "torch" not in sys.modules
"""
    path = put("a,b,c,d,e\n1,x,2024-01-31 10:00,31/1/2024,true\n?,NA,,,\n")
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, env={"PYTHONPATH": ":".join(sys.path)})
