"""Where things stand in TOML, how a fault is shown there, and the values TOML has no word for."""

import os
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from monitor.toml_positions import Place, Trail, positions
from monitor.toml_positions.ignores import ignores
from monitor.toml_positions.page import Fault, Page, parse_toml, read_text, report
from monitor.toml_positions.values import (
    Wrong,
    glob_fault,
    meant,
    milliseconds,
    shown,
    texts,
    toml_files,
    web_address,
)

EXAMPLE = '''\
top = 1
[[rule]]   # the first
  name     = "café"
for = { info = "15s", "warning" = '15s' }
symbols = [ # a comment
  "BTC*",   "a\\"b",
]
[[rule]]
long = """
[[not.a.table]]
x = 1"""
name = """plain"""
a.b = 2
[log."x y"]
when = 2026-01-02 03:04:05
'''


@pytest.mark.parametrize(
    ("trail", "place"),
    [
        (("top",), Place(1, 1, 1, 7)),
        (("rule",), Place(2, 1, 2, 1)),
        (("rule", 0), Place(2, 1, 2, 1)),
        (("rule", 0, "name"), Place(3, 3, 3, 14, plain=True)),
        (("rule", 0, "for"), Place(4, 1, 4, 7)),
        (("rule", 0, "for", "info"), Place(4, 9, 4, 16, plain=True)),
        (("rule", 0, "for", "warning"), Place(4, 23, 4, 35, plain=True)),
        (("rule", 0, "symbols"), Place(5, 1, 5, 11)),
        (("rule", 0, "symbols", 0), Place(6, 3, 6, 3, plain=True)),
        (("rule", 0, "symbols", 1), Place(6, 13, 6, 13)),
        (("rule", 1), Place(8, 1, 8, 1)),
        (("rule", 1, "long"), Place(9, 1, 9, 8)),
        (("rule", 1, "name"), Place(12, 1, 12, 8, plain=True, quotes=3)),
        (("rule", 1, "a"), Place(13, 1, 13, 1)),
        (("rule", 1, "a", "b"), Place(13, 3, 13, 7)),
        (("log", "x y"), Place(14, 1, 14, 1)),
        (("log", "x y", "when"), Place(15, 1, 15, 8)),
    ],
    ids=str,
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["unix", "windows"])
def test_each_thing_stands_where_its_author_put_it(
    trail: Trail, place: Place, newline: str
) -> None:
    assert positions(EXAMPLE.replace("\n", newline))[trail] == place


@pytest.mark.parametrize(
    ("text", "trail"),
    [
        ('a = ""\nb = 1', ("b",)),
        ('a = """x"""""\nb = 1', ("b",)),
        ('a = """\\""" b = 2"""\nb = 1', ("b",)),
        ("a = '''x'''''\nb = 1", ("b",)),
        ("a = '#'\nb = 1", ("b",)),
        ('"a\\u0041" = 1\nb = 1', ("aA",)),
        ('"\\x41" = 1', ("A",)),
        ("'a.b' = 1\n\"\" = 1", ("",)),
        ("[a.b]\n[a]\nc = 1", ("a", "c")),
        ("[[a]]\n[[a.b]]\n[[a.b]]\n[[a]]\n[[a.b]]\nc = 1", ("a", 1, "b", 0, "c")),
        ("a = [{b = 1}, {b = [[1], [2, 3]]},]", ("a", 1, "b", 1, 1)),
        ("a = {\n b = 1, # c = 2\n c.d = 3,\n}", ("a", "c", "d")),
        ("[ a . b ]\nc=[]\nd={}\ne=1", ("a", "b", "e")),
    ],
    ids=str,
)
def test_the_trails_are_those_of_tomli(text: str, trail: Trail) -> None:
    found = positions(text)
    assert trail in found
    assert set(found) == set(trails(tomli.loads(text)))


def trails(value: Any, trail: Trail = ()) -> list[Trail]:
    """Every way through a parsed document."""
    here = [trail] if trail else []
    if isinstance(value, dict):
        return here + [t for key, inner in value.items() for t in trails(inner, (*trail, key))]
    if isinstance(value, list):
        return here + [t for n, inner in enumerate(value) for t in trails(inner, (*trail, n))]
    return here


BARE = st.text("abz019_-", min_size=1, max_size=4)
QUOTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6)


def basic(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def literal(text: str) -> str:
    return f"'{text.replace(chr(39), '’')}'"


KEY = BARE | QUOTABLE.map(basic) | QUOTABLE.map(literal)
LONG = QUOTABLE.map(lambda text: basic(text).join(['""', '""'])) | QUOTABLE.map(
    lambda text: f"'''\n{text.replace(chr(39), '’')}\n'''"
)
SCALAR = (
    st.sampled_from(["1", "-2.5e3", "true", "2026-01-02", "2026-01-02 03:04:05Z", "inf"])
    | QUOTABLE.map(basic)
    | QUOTABLE.map(literal)
    | LONG
)
GAP = st.sampled_from(["", " ", "\t", "\n", ' # ] } , = "\n  '])
SPACE = st.sampled_from(["", " ", "\t "])


@st.composite
def array(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    items = draw(st.lists(inner, max_size=3))
    ends = [draw(GAP) + "," + draw(GAP) for _ in items]
    return "[" + draw(GAP) + "".join(a + b for a, b in zip(items, ends, strict=True)) + "]"


@st.composite
def inline(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    pairs = [f"{draw(SPACE)}{draw(KEY)}{draw(SPACE)}={draw(SPACE)}{draw(inner)}" for _ in range(2)]
    return "{" + ("," + draw(SPACE)).join(pairs) + draw(SPACE) + "}"


VALUE = st.recursive(SCALAR, lambda inner: array(inner) | inline(inner), max_leaves=5)


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines = []
    for _ in range(draw(st.integers(1, 8))):
        name = ".".join(draw(st.lists(KEY, min_size=1, max_size=3)))
        shape = draw(st.sampled_from(["[{}]", "[[{}]]", "[[rule]]", "[rule.{}]", None, None, None]))
        line = draw(SPACE) + (shape or f"{{}}{draw(SPACE)}={draw(SPACE)}{draw(VALUE)}")
        tail = draw(st.sampled_from(["", "  # a [comment] = 1", "\n"]))
        lines.append(line.replace("{}", name, 1) + tail)
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


@given(documents())
def test_a_document_round_trips_through_its_positions(text: str) -> None:
    """Whatever tomli accepts: the same trails, and each key and plain text at its place."""
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError:
        return
    found = positions(text)
    assert set(found) == set(trails(data))
    lines = text.replace("\r\n", "\n").split("\n")
    for trail, place in found.items():
        value: Any = data
        for step in trail:
            value = value[step]
        key = lines[place.line - 1][place.column - 1 :]
        if not key.startswith("[") and isinstance(trail[-1], str):
            assert key.startswith((trail[-1], '"', "'"))
        if place.plain:
            assert lines[place.value_line - 1][place.column_in(1) - 1 :].startswith(value)


# How a fault is shown ------------------------------------------------------------------------


def test_a_caret_stands_under_its_column_behind_tabs_too() -> None:
    page = Page("a.toml", "\tname\t= 5\r\n")
    fault = page.at_value(("name",), "5 is not a text", "write it in quotes")
    assert fault.text == (
        "a.toml:1:9: 5 is not a text\n    \tname\t= 5\n    \t    \t  ^ write it in quotes"
    )


def test_a_text_with_escapes_is_shown_at_its_key() -> None:
    page = Page("a.toml", 'a = "x\\ty"\nb = "xyz"')
    assert page.in_text(("a",), 3, "no").text == 'a.toml:1:1: no\n    a = "x\\ty"\n    ^'
    assert page.in_text(("b",), 3, "no").text == 'a.toml:2:8: no\n    b = "xyz"\n           ^'


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert "\x1b" not in Page("a.toml", "a = \x1b[31m").fault(1, 5, "no").text


def test_faults_are_told_in_file_then_line_order() -> None:
    one = [Fault(2, 1, "one:2"), Fault(1, 9, "one:1")]
    assert report([one, [], [Fault(0, 0, "two")]]) == "one:1\none:2\ntwo\n3 faults in 2 files"
    assert report([[Fault(0, 0, "two")]]) == "two\n1 fault in 1 file"


WIDE = "not UTF-8\n    a = 1\n    ^ save it as UTF-8"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (
            b"\xef\xbb\xbfa = 1",
            (
                "f.toml:1:1: begins with a byte order mark\n    a = 1\n"
                "    ^ save it as UTF-8 without one"
            ),
        ),
        (b"\xef\xbb\xbf", "f.toml:1:1: begins with a byte order mark\n\n    ^ save it as UTF-8"),
        (
            "# ü\nb = 'é".encode() + b"\xfc\xe4'\nc = 1",
            "f.toml:2:7: byte 0xfc is not UTF-8\n    b = 'é��'\n          ^ save the file as UTF-8",
        ),
        ("a = 1\nb".encode("utf-16"), f"f.toml:1:1: is UTF-16, {WIDE}"),
        ("a = 1\nb".encode("utf-16-be"), f"f.toml:1:1: is UTF-16, {WIDE}"),
        ("a = 1\nb".encode("utf-16-le"), f"f.toml:1:1: is UTF-16, {WIDE}"),
        ("a = 1\nb".encode("utf-32"), f"f.toml:1:1: is UTF-32, {WIDE}"),
    ],
)
def test_a_file_that_is_no_text_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.toml").write_bytes(raw)
    fault = read_text(Path("f.toml"))
    assert isinstance(fault, Fault)
    assert fault.text.startswith(told)


def test_a_folder_or_nothing_is_no_file(tmp_path: Path) -> None:
    told = f"{tmp_path}: is a folder, not a file\n    give a TOML file"
    assert read_text(tmp_path) == Fault(0, 0, told)
    missing = tmp_path / "x"
    assert read_text(missing) == Fault(0, 0, f"{missing}: there is no such file")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_might_never_end_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.toml"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    told = f"{path}: is not a regular file\n    give a TOML file"
    assert read_text(path) == Fault(0, 0, told)


@pytest.mark.parametrize(
    ("text", "column", "told"),
    [
        ("a = " + "[" * 5000, 405, "not TOML: nested too deeply"),
        ("a = " + "{a=" * 5000, 1205, "not TOML: nested too deeply"),
        ("b." * 3000 + "c = 1", 1, "not TOML: nested too deeply"),
        ("a = " + "1" * 5000, 5, "not TOML: this number is too long"),
    ],
    ids=["arrays", "tables", "key", "number"],
)
def test_absurd_documents_are_faults_too(text: str, column: int, told: str) -> None:
    fault = parse_toml(Page("a.toml", "# '[\n" + text))
    assert isinstance(fault, Fault)
    first, line, caret = fault.text.split("\n")
    assert first == f"a.toml:2:{column}: {told}"
    assert max(len(line), caret.index("^")) < 120
    assert line[caret.index("^")] == text[column - 1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('a = 1\n "a" = "x" # é', "2:2: not TOML: a key is given twice in this table"),
        ("a = 1\na = {b = 1}", "2:1: not TOML: a key is given twice in this table"),
        ("a.b = 1\r\na.b = [\r\n2]", "2:1: not TOML: a key is given twice in this table"),
        ("a = 1\n[[a]]", "2:1: not TOML: a key is given twice in this table"),
        ("[a]\nb = 1\n [a]", "3:2: not TOML: this table was declared before"),
        ("a = {b = 1}\na.c = 2", "2:1: not TOML: this table was finished before"),
        ("rules = [\n[[account]]\n", "2:1: not TOML: an array or inline table is not closed"),
        ("a = {b = 1\n[c]\n", "2:1: not TOML: an array or inline table is not closed"),
        ("a = {", "1:6: not TOML: an array or inline table is not closed"),
        ("a = [\n[1],\nx]", "3:1: not TOML: no value begins here"),
        ("[a]\nb = [1]\nc =\n", "3:4: not TOML: no value begins here"),
        ("a = {b = 1 c = 2}", "1:12: not TOML: an inline table is not closed"),
        ("a = {\nb = 1\nc = 2}", "3:1: not TOML: an inline table is not closed"),
    ],
)
def test_the_place_of_a_syntax_error_is_where_its_author_looks(text: str, told: str) -> None:
    fault = parse_toml(Page("a.toml", text))
    assert isinstance(fault, Fault)
    assert fault.text.split("\n")[0] == f"a.toml:{told}"


def test_a_long_line_is_shown_around_its_caret() -> None:
    page = Page("a.toml", "a = '" + "x" * 200 + "\ty" + "z" * 200 + "'")
    assert page.fault(1, 207, "no", "yes").text == (
        f"a.toml:1:207: no\n    …{'x' * 59}\ty{'z' * 39}…\n    {' ' * 60}\t^ yes"
    )
    assert page.fault(1, 1, "no").text == f"a.toml:1:1: no\n    a = '{'x' * 95}…\n    ^"


# Values --------------------------------------------------------------------------------------

UNITS = 'write a number and d, h, m, s or ms, the largest first, like "15s" or "1h30m"'


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("15s", 15_000),
        ("0s", 0),
        ("250ms", 250),
        ("1h30m", 5_400_000),
        ("1d2h3m4s5ms", 93_784_005),
        ("1.5s", 1500),
        ("0.001s", 1),
        ("0.5ms", Wrong('"0.5ms" is finer than a millisecond', 'write at least "1ms"')),
        ("99999d", Wrong('"99999d" is longer than ten years', "write a shorter one")),
        ("15", Wrong('"15" has no unit', 'did you mean "15s"?')),
        (15, Wrong("15 has no unit", 'did you mean "15s"?')),
        (True, Wrong("true is no duration", 'write one like "15s"')),
        ([], Wrong("a list is no duration", 'write one like "15s"')),
        ("15 s", Wrong('"15 s" is no duration', 'did you mean "15s"?')),
        ("2 Minutes", Wrong('"2 Minutes" is no duration', 'did you mean "2m"?')),
        ("30m1h", Wrong('"30m1h" is no duration', UNITS)),
        ("1m1m", Wrong('"1m1m" is no duration', UNITS)),
        ("-5s", Wrong('"-5s": no duration is negative', 'write one like "15s"')),
        ("1w", Wrong('"1w" is no duration', 'did you mean "7d"?')),
        ("2 years", Wrong('"2 years" is no duration', 'did you mean "730d"?')),
        ("1,5 min", Wrong('"1,5 min" is no duration', 'did you mean "1.5m"?')),
        ("250 msec", Wrong('"250 msec" is no duration', 'did you mean "250ms"?')),
        (float("inf"), Wrong("inf is no duration", 'write one like "15s"')),
        (-5, Wrong("-5 is no duration", 'write one like "15s"')),
        ("", Wrong('"" is no duration', UNITS)),
        ("١s", Wrong('"١s" is no duration', UNITS)),
        ("1s\n", Wrong('"1s\N{REPLACEMENT CHARACTER}" is no duration', UNITS)),
    ],
    ids=str,
)
def test_durations(value: object, read: int | Wrong) -> None:
    assert milliseconds(value) == read


def test_suggestions_forgive_case() -> None:
    assert (
        meant("europe/vienna", ["Europe/Vienna", "Asia/Tokyo"]) == "did you mean `Europe/Vienna`?"
    )
    assert meant("xyz", ["critical"]) == ""


def test_long_values_are_cut() -> None:
    assert shown("x" * 200) == f'"{"x" * 59}…"'


@pytest.mark.parametrize(
    ("pattern", "good"),
    [("*", True), ("!BTC*", True), ("[!a]x", True), ("[]]", True), ("", False), ("!", False)],
)
def test_globs(pattern: str, good: bool) -> None:  # noqa: FBT001 - a table's column
    assert (glob_fault(pattern) is None) is good


def test_lists_are_not_empty() -> None:
    assert texts(["a"]) == ("a",)
    assert texts([]) == Wrong(
        "an empty list matches nothing", "leave the key out to mean all of them"
    )


@pytest.mark.parametrize("value", ["https://[x", "https://", "https://a b/", "https://a:x/"])
def test_what_is_no_web_address(value: str) -> None:
    assert web_address(value, ("https",)) is not None


def test_globs_find_rule_files_and_leave_tests_out(tmp_path: Path) -> None:
    for name in ("b.toml", "a.toml", "a.test.toml", "c.txt", "sub/d.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    a, b, d = tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "sub/d.toml"
    assert toml_files("*.toml", tmp_path) == [a, b]
    assert toml_files(".", tmp_path) == [a, b]
    assert toml_files("**/*.toml", tmp_path) == [a, b, d]
    assert toml_files(str(a), Path("/")) == [a]
    assert toml_files("*.yaml", tmp_path) == []


# Comments that silence lints -----------------------------------------------------------------


def test_ignores_are_found_where_comments_are() -> None:
    text = """\
# check: ignore above all of this is one reason
[[rule]] # check: ignore beside
# any comment
  #check:ignore indented  because

# check: ignore stacked why not
key = "# check: ignore text no" # check: ignore behind it's a comment
long = '''
# check: ignore inside no
'''
list = [ # check: ignore opening a
  "#", # check: ignore element b
]
# check: is this prose?
# check: ignored is near enough to be a slip
# check: ignore nothing below
"""
    found = [tuple(each) for each in ignores(text.replace("\n", "\r\n"))]

    assert found == [tuple(each) for each in ignores(text)]
    assert found == [
        (1, 1, 2, "ignore", "above", "all of this is one reason"),
        (2, 10, 2, "ignore", "beside", ""),
        (4, 3, 7, "ignore", "indented", "because"),
        (6, 1, 7, "ignore", "stacked", "why not"),
        (7, 33, 7, "ignore", "behind", "it's a comment"),
        (11, 10, 11, "ignore", "opening", "a"),
        (12, 8, 12, "ignore", "element", "b"),
        (15, 1, 0, "ignored", "is", "near enough to be a slip"),
        (16, 1, 0, "ignore", "nothing", "below"),
    ]
