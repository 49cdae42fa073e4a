"""yamlmarks: what YAML means here, what is refused, and that nothing else ever comes out."""

from __future__ import annotations

import random

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nst_batch.errors import Problem, ProblemsError
from nst_batch.strict_yaml import reader
from nst_batch.strict_yaml.reader import MAX_PROBLEMS, Marked, load, problems_error, shown

SIDECAR = b"""\
# a sidecar with a bit of everything
content: [harbour.jpg, "photos/*.jpg"]
style: {waves.jpg: 0.7, 'night.png': 0.3}
title: "{content}-{style}"
save_epoch: true
size: 768   # pixels
style_layers:
  block1_conv1: 1
  block2_conv1: 0.5
seed: 7
"""


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def parser(request, monkeypatch):
    """Every test holds for both of PyYAML's parsers: a wheel may lack libyaml."""
    if request.param == "python":
        monkeypatch.setattr(reader, "LOADER", yaml.SafeLoader)
    else:
        assert reader.LOADER is yaml.CSafeLoader


def read(text, max_kb=64):
    return load(text, max_kb=max_kb, source="a.yaml")


def problems(text, **limits) -> tuple[Problem, ...]:
    with pytest.raises(ProblemsError) as caught:
        read(text, **limits)
    return caught.value.problems


def test_data_and_lines():
    """Data comes out plain, and every key and item knows its line."""
    marked = read(SIDECAR)
    assert marked.data["content"] == ["harbour.jpg", "photos/*.jpg"]
    assert marked.data["style"] == {"waves.jpg": 0.7, "night.png": 0.3}
    assert marked.line(("content",)) == 2
    assert marked.line(("style_layers", "block2_conv1")) == 9
    assert marked.line(("content", 1)) == 2


def test_line_of_what_is_not_there_is_that_of_what_holds_it():
    """A missing key is reported where its mapping stands, and nowhere (0) at the top."""
    marked = read(SIDECAR)
    assert marked.line(("style_layers", "block9", "x")) == 7
    assert marked.line(("nothing",)) == 0
    assert marked.line(()) == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("Off", "Off"),
        ("true", True),
        ("False", False),
        ("tRue", "tRue"),
        ("1:30", "1:30"),
        ("1e3", 1000.0),
        ("1E-3", 0.001),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("12", 12),
        ("+12", 12),
        ("-0", 0),
        ("010", "010"),
        ("0o10", "0o10"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("2024-01-02", "2024-01-02"),
        (".inf", float("inf")),
        ("=", "="),
        ("null", None),
        ("~", None),
        ("'12'", "12"),
        ('"true"', "true"),
        ("1" * 5000, "1" * 5000),
    ],
)
def test_scalars(text, value):
    """Plain scalars are YAML 1.2's and decimal; quoted ones are text; a digit string of any length is safe."""
    found = read(f"k: {text}").data["k"]
    assert found == value
    assert type(found) is type(value)


def test_not_a_number():
    """.nan is a number that is none, for the models to refuse."""
    found = read("k: .nan").data["k"]
    assert found != found


def test_keys_are_text():
    """A key is its own text, whatever a value of that look would mean."""
    assert read("1: a\ntrue: b\n<<: c\n").data == {"1": "a", "true": "b", "<<": "c"}


@pytest.mark.parametrize("text", [b"", b"# nothing\n", b"---\n", b"\xef\xbb\xbf", b"\n\n"])
def test_empty(text):
    """An empty file is an empty mapping: what is missing in it is the models' business."""
    assert read(text).data == {}


def test_byte_order_mark_and_line_ends():
    """A byte order mark, CRLF and a document's own marks are fine."""
    assert read(b"\xef\xbb\xbf---\r\na: 1\r\nb: 2\r\n...\r\n").data == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "second time, first on line 1"),
        (b"a: {x: 1,\n x: 2}", 2, "second time"),
        (b"a: &x 1", 1, "anchor &x"),
        (b"k: 1\na: !!str 1", 2, "tag"),
        (b"a: !own {b: 1}", 1, "tag"),
        (b"a: 1\n---\nb: 1", 2, "second document"),
        (b"- a\n- b", 1, "a list where"),
        (b"just words", 1, "'just words' where"),
        (b"\n[a]: b", 2, "a key must be one word"),
        (b"a: 1\n\tb: 2", 2, "tab"),
        (b"a: b: c", 1, "not YAML"),
        (b"a: 'b", 1, "not YAML"),
        (b"a: 1\nb: \x00", 2, "U+0000"),
        (b"a: 1\nb: \xff\xfe", 2, "0xff is not UTF-8"),
        ("a: 1".encode("utf-16"), 1, "UTF-16"),
        ("a: 1".encode("utf-16-le"), 1, "UTF-16"),
        ("a: 1".encode("utf-16-be"), 1, "UTF-16"),
        *(("a: 1".encode(f"utf-32{order}"), 1, "UTF-32") for order in ("", "-le", "-be")),
        (b"{\\rtf1\\ansi a: 1}", 1, "rich text"),
        ("a: 1\nb:\u00a0c\n", 2, "U+00A0 no-break space"),
        ("size:\u202f5\n", 1, "U+202F narrow no-break space"),
        ("size\uff1a5\n", 1, "U+FF1A fullwidth colon"),
        ("a:1\n", 1, "no space after a:"),
        ("a: 1\nb: \u201cc.jpg\u201d\n", 2, "curly"),
        ("a: 1\n\u00abb\u00bb: c.jpg\n", 2, "curly"),
        ("a: 1\nb: \ud800", 2, "U+D800"),
        (b"[" * 5000, 1, "nested deeper than 20"),
        (b"a: " + b"{a: " * 5000, 1, "nested deeper than 20"),
        (b"- " * 5000, 1, "nested deeper than 20"),
    ],
)
def test_refused(text, line, words):
    """What is refused is refused with its line."""
    found = problems(text)
    assert any(words in problem.what for problem in found), found
    assert found[0].line == line


@pytest.mark.parametrize(
    "text", ["&.png", "*.jpg", "@a.png", "%a b.png", "`a`.png", "|a.png", ">a.png", "[a] b.png", "{a}.png", ", a.png"]
)
@pytest.mark.parametrize("before", ["b: ", "- ", "b:\n  - ", "  - b:   "])
def test_a_text_that_yaml_takes_for_something_else_is_shown_in_quotes(text, before):
    """A file's name as it is, where a sign of YAML's own begins it; a comment behind it is left out."""
    (problem,) = problems(f"{before}{text}  # the church\n")
    assert f'put it in quotes: "{text}"' in problem.fix
    assert f"begins with {text[0]}" in problem.what
    assert problem.line == 1 + before.count("\n")


def test_spaces_that_nobody_sees_around_a_text_do_not_count():
    """As a plain space does not; within quotes and between words they stay."""
    found = read("\u00a0\u00a0a: b\u00a0c\u202f\nd: '\u00a0e'\n")
    assert found.data == {"a": "b\u00a0c", "d": "\u00a0e"}


def test_what_a_comment_cuts_off_is_known():
    """Where a name without quotes holds #, YAML takes the rest for a comment."""
    found = read("a: photo #3.jpg\nb: [x #1\n, 'y' #2\n]\nc: z#4\nd: w\n")
    assert found.commented == {"photo", "x"}


def test_aliases_never_multiply():
    """A bomb of aliases is refused alias by alias, not unfolded; the advice is for a glob without quotes."""
    bomb = b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (n, n, n - 1, n - 1) for n in range(98, 110))
    found = problems(bomb)
    assert sum("alias" in problem.what for problem in found) == 24
    assert 'put in quotes: "*.jpg"' in next(problem.fix for problem in found if "alias" in problem.what)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (b"content: *.jpg", 'in quotes: "*.jpg"'),
        (b"title: {content}-{style}\n", "in quotes"),
        (b"title: %d\nb: `x`", "in quotes"),
        (b"title: a: b", "in quotes"),
        (b"content: a.jpg\n style: b.jpg", "indentation"),
        (b'title: "a\n', "quotes"),
        (b"a: [b, c\n", "bracket"),
        (b"size:5\nepochs:5\n", "write 'size: "),
        (b"size = 5\n", "a colon and a space"),
        ("a: \u2018b\u2019\n".encode(), "straight ones"),
    ],
)
def test_advice(text, advice):
    """The usual slips come with what to do about them."""
    assert any(advice in problem.fix for problem in problems(text))


def test_all_at_once():
    """Everything that can be told at once is."""
    found = problems(b"a: &x 1\nb: *x\nb: 2\nc: !t 3\n")
    assert [problem.line for problem in found] == [1, 2, 3, 4]


def test_too_large():
    """A file over its limit has a code of its own and is not parsed; one at the limit is read."""
    with pytest.raises(ProblemsError) as caught:
        load(b"a: " + b"[" * 1022, max_kb=1, source="a.yaml", kind="sidecar")
    assert caught.value.code == "sidecar_too_large"
    assert read(b"a: " + b"x" * 1021, max_kb=1).data == {"a": "x" * 1021}


def test_code_names_the_kind():
    """The code says which kind of file is wrong."""
    with pytest.raises(ProblemsError) as caught:
        load(b"[", max_kb=1, source="c.yaml", kind="config")
    assert caught.value.code == "config_invalid"


def test_many_problems_are_counted():
    """A file of ten thousand faults gives a report that a person can read."""
    error = problems_error("x", "a.yaml", [Problem(n, "k", "bad") for n in range(10_000)])
    assert len(error.problems) == MAX_PROBLEMS + 1
    assert "more than 100" in error.problems[-1].what


def test_shown_is_short():
    """A value in a message is one short line."""
    assert shown("x" * 1000).endswith("...")
    assert len(shown("x" * 1000)) <= 60
    assert (shown(True), shown(None), shown([1]), shown({})) == ("true", "nothing", "a list", "a mapping")


def well_told(error: ProblemsError) -> None:
    assert error.problems
    assert len(str(error)) < 20_000


def harmless(text) -> Marked | None:
    """``text`` read, or None where it is refused properly; anything else is raised."""
    try:
        marked = read(text)
    except ProblemsError as error:
        well_told(error)
        return None
    assert isinstance(marked.data, dict)
    return marked


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
@example(b'a: "\\UFFFFFFFF"')
@example(b'a: "\\ud800"')
@example(b"%YAML 9.9\n---\na: 1")
@example(b"%TAG ! tag:x,2000:\n---\na: !x 1")
@example(b"? " * 3000)
@example(b"{" * 60000)
def test_any_bytes(text):
    """Any bytes give data or a ProblemsError."""
    harmless(text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:-?*&!|>'\"{}[],#%@`~ \t\n\r01.\x00\ufeff\u2028é", max_size=300))
def test_any_indicators(text):
    """Any heap of YAML's own signs gives data or a ProblemsError."""
    harmless(text)


def test_mutations():
    """A sidecar with bytes changed, cut, doubled and swapped gives data or a ProblemsError."""
    generator = random.Random(5)
    read_well = sum(harmless(mutated(SIDECAR, generator)) is not None for _ in range(1500))
    assert 0 < read_well < 1500


def mutated(text: bytes, generator: random.Random) -> bytes:
    body = bytearray(text)
    for _ in range(generator.randint(1, 4)):
        at = generator.randrange(len(body) + 1)
        size = generator.randint(0, 12)
        kind = generator.randrange(4)
        if kind == 0:
            body[at : at + size] = generator.randbytes(size)
        elif kind == 1:
            del body[at : at + size]
        elif kind == 2:
            body[at:at] = body[at : at + size] * generator.randint(1, 5)
        else:
            body[at:at] = generator.choice([b"*", b"&x ", b"{", b"[", b"\t", b"\n", b": ", b"!!int ", b"---\n", b"'"])
    return bytes(body)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('a: 1\nb: "c\nd: 2\ne: 3\n', 2, 'the " that opens here'),
        ("a: 1\nb: 'c\n", 2, "the ' that opens here"),
        ('a: 1\nb: "c\nd: "e"\n', 2, 'the " that opens here'),
        ("a: 1\nb: [c, d\ne: 2\n", 2, "the [ that opens here"),
        ("b: {c: 1\n\n\n", 1, "the { that opens here"),
        ('b: [\n  "c",\n  "d\ne: 2\n', 3, 'the " that opens here'),
    ],
)
def test_what_is_left_open_is_told_where_it_opens(text, line, words):
    """And not where the file ends, or the next quote stands."""
    (problem,) = problems(text.encode())
    assert (problem.line, words in problem.what) == (line, True), problem


def test_what_goes_over_several_lines_is_not_to_blame():
    """A quote or bracket that is closed further down, and a mistake after it."""
    (problem,) = problems(b'a: [b,\n  c]\nd: "e\n  f"\ng: h: i\n')
    assert problem.line == 5


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"\0\0\0a: 1\n", 1, "U+0000 (a zero byte) is not text"),
        (b"a: 1\nb: \0\0\0\n", 2, "U+0000 (a zero byte) is not text"),
        (b"ab\0\0c: 1\n", 1, "U+0000 (a zero byte) is not text"),
        (b"\0" * 40, 0, "zero bytes alone, as after a power cut"),
    ],
)
def test_zero_bytes_are_no_other_encoding(data, line, words):
    """A damaged file is told as one."""
    (problem,) = problems(data)
    assert (problem.line, words in problem.what) == (line, True), problem
