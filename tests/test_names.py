"""names: titles, templates, uniqueness, order, and whose files are not inputs."""

from __future__ import annotations

import shlex
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nst_batch import names
from nst_batch.errors import UsageError


@pytest.mark.parametrize(
    "title", ["dusk", "a b", "harbour (2)", "été", "夜", "x" * 200, "a.b", "-2", "CON", "100%", "it's", "a…b",
     "Screenshot at 9.22.20\u202fPM", "a\u00a0b",
     "\U0001f468\u200d\U0001f469\u200d\U0001f467",
     "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
     "\u0d28\u0d4d\u200d", "auf\u00adgabe", "\u2764\ufe0f", "\u200e\u05e9\u05dc\u05d5\u05dd", "\u2603\ufe0e"]
)  # fmt: skip
def test_right_titles(title):
    """Any one file name without the forbidden characters is a title."""
    assert names.title_fault(title) is None
    assert names.check_title(title) == title


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("", "empty"),
        *((f"a{char}b", "holds") for char in '/\\:*?"<>|'),
        ("a\nb", "control"),
        ("a\x7fb", "control"),
        ("a\x85b", "control"),
        ("a\u2028b", "control"),
        (".a", "begins with a dot"),
        ("..", "begins with a dot"),
        ("a.", "ends with a dot"),
        ("a ", "ends with a space"),
        ("é" * 101, "202 bytes"),
        ("a\ud800", "control"),
        ("a\x1b[31m", "U+001B"),
        *((f"a{chr(code)}gpj.b", "turns text around") for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
        ("\u200d\u00a0", "no character that can be seen"),
    ],
)
def test_wrong_titles(title, words):
    """A title that is not one file name is refused and says why."""
    fault = names.title_fault(title)
    assert fault is not None
    assert words in fault
    with pytest.raises(UsageError) as caught:
        names.check_title(title)
    assert caught.value.code == "title_invalid"


def test_length_is_of_the_composed_form():
    """A title is measured and kept in NFC, so decomposed letters are no longer than composed ones."""
    decomposed = unicodedata.normalize("NFD", "é" * 100)
    assert len(decomposed.encode()) == 300
    assert names.check_title(decomposed) == "é" * 100


@pytest.mark.parametrize(
    ("one", "other"), [("Dusk", "dUSK"), ("straße", "STRASSE"), ("é", "e\u0301"), ("É", "e\u0301")]
)
def test_equal_names(one, other):
    """Equality ignores case and composition."""
    assert names.fold(one) == names.fold(other)


def test_template():
    """A template is filled with the names; a brace is written twice."""
    assert names.fill_template("{content}-{style}", content="a", style="b") == "a-b"
    assert names.fill_template("{{{content}}}", content="a", style="b") == "{a}"
    assert names.fill_template("plain", content="a", style="b") == "plain"
    assert names.fill_template("{content}", content="{style}", style="b") == "{style}"


@pytest.mark.parametrize(
    "template", ["{contents}", "{}", "{content", "style}", "{content.__class__}", "{0}", "{content!r}"]
)
def test_wrong_templates(template):
    """Any other field is a fault, never an expression."""
    assert names.template_fault(template)
    with pytest.raises(ValueError, match="only"):
        names.fill_template(template, content="a", style="b")


def test_unique_name():
    """The first free of NAME, NAME-2, NAME-3 …, case ignored."""
    assert names.unique_name("Dusk", []) == "Dusk"
    assert names.unique_name("Dusk", ["dusk"]) == "Dusk-2"
    assert names.unique_name("Dusk", {"dusk", "DUSK-2", "dusk-4"}) == "Dusk-3"
    assert names.unique_name("a", lambda name: name in ("a", "a-2")) == "a-3"


def test_unique_name_keeps_the_title_whole():
    """The number comes on top of the 200 bytes and still leaves room in a file name."""
    title = "x" * 200
    assert names.unique_name(title, [title]) == title + "-2"


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        ("", ()),
        (".", ()),
        ("a", ("a",)),
        ("a/b/", ("a", "b")),
        ("./a//b", ("a", "b")),
        ("runs/failed", ("runs", "failed")),
    ],
)
def test_right_outputs(output, parts):
    """A folder below the outbox in plain form; reserved names are reserved at the root alone."""
    assert names.output_fault(output) is None
    assert names.output_parts(output) == parts


@pytest.mark.parametrize(
    "output",
    [
        "/a",
        "..",
        "a/../b",
        "running",
        "Running/x",
        "./FAILED",
        "index.html",
        "a:b",
        ".hidden",
        "a/.b",
        "a ",
        "a\\b",
        "x/" * 600,
    ],
)
def test_wrong_outputs(output):
    """What leaves the outbox, begins with the outbox's own names or is no folder's name is refused."""
    assert names.output_fault(output)


def test_natural_order():
    """Names sort as people count; case does not matter, and the name settles ties."""
    wild = ["img10.jpg", "Img2.jpg", "img1.jpg", "img02.jpg", "b/1.jpg", "a.jpg", "10", "9", "²", "٣", ""]
    ordered = sorted(wild, key=names.natural_key)
    assert ordered.index("img1.jpg") < ordered.index("img02.jpg") < ordered.index("img10.jpg")
    assert ordered.index("Img2.jpg") < ordered.index("img10.jpg")
    assert ordered.index("9") < ordered.index("10")


@given(st.lists(st.text(max_size=8), max_size=8))
def test_natural_order_is_total(wild):
    """Any names can be sorted, and their first order does not matter."""
    backwards = wild[::-1]
    assert sorted(wild, key=names.natural_key) == sorted(backwards, key=names.natural_key)


@pytest.mark.parametrize(
    "name",
    [
        "#recycle", "#Recycle", "@Recycle", "$RECYCLE.BIN", "$Recycle.Bin", "RECYCLER", "#snapshot",
        "@Recently-Snapshot",
        "System Volume Information", "Network Trash Folder", "Temporary Items", "lost+found", ".Trash-1000", ".Trashes",
        ".snapshots", "~snapshot", "@GMT-2026.01.31-22.15.03", "__MACOSX", "@__thumb", ".Spotlight-V100", "Icon\r",
        "a.jpg.part", "a.filepart", "a.crdownload", "a.tmp", "A.TMP", "a.jpg~", ".hidden", ".a.jpg.Xy12Zq", "~$a.docx",
        ".~lock.a#", "~syncthing~a.jpg.tmp", ".nfs0001", "@eaDir", "._a.jpg", "Thumbs.db", "desktop.ini", ".DS_Store",
    ],
)  # fmt: skip
def test_temporary(name):
    """Copies under way, hidden files and systems' own are never inputs."""
    assert names.is_temporary(name)
    assert not names.is_image(name)


@pytest.mark.parametrize(
    "name",
    [
        "a.jpg",
        "part.jpg",
        "tmp",
        "a~b.png",
        "eaDir",
        "partly.part.png",
        "recycle",
        "snapshot.jpg",
        "lost and found",
        "#1.jpg",
        "@home.png",
        "temporary",
    ],
)
def test_not_temporary(name):
    """A name that only resembles one is an input like others."""
    assert not names.is_temporary(name)


def test_kinds_of_names():
    """Images and sidecars are known by suffix, in any case."""
    assert names.is_image("A.JPEG")
    assert names.is_image("b.webp")
    assert not names.is_image("a.yaml")
    assert not names.is_image("jpg")
    assert names.is_sidecar("a.YML")
    assert names.is_sidecar("a.b.yaml")
    assert not names.is_sidecar("yaml")
    assert names.stem("x/a.b.jpg") == "a.b"
    assert names.stem("noext") == "noext"


@pytest.mark.parametrize(
    "name",
    [
        "dusk.sync-conflict-20260131-221503-ABC2DEF.yaml",
        "dusk (Ann's conflicted copy 2026-01-31).yaml",
        "dusk (conflicted copy 2026-01-31 221503).YML",
        "dusk (case clash from ann on desk).yaml",
        "dusk_conflict-20260131-221503.yaml",
        "dusk (SFConflict ann@example.org 2026-01-31-22-15-03).yml",
        "dusk (copy: conflict #1 on 2026-01-31).yaml",
        "dusk (Case Conflict 1).yaml",
        "dusk (Selective Sync Conflict).yaml",
        "dusk (In Konflikt stehende Kopie von Ann 2026-01-31).yaml",
        "dusk (Konflikt bei Groß- und Kleinschreibung).yaml",
        "dusk (Copie en conflit de Ann 2026-01-31).yaml",
        "dusk (copia en conflicto de Ann).yaml",
        "dusk (Cópia em conflito de Ann).yaml",
        "dusk (Co\u0301pia em conflito de Ann).yaml",  # as macOS writes it
        "dusk (copia in conflitto di Ann).yaml",
        "dusk (kopia powodująca konflikt użytkownika Ann).yaml",
        "dusk (Конфликтующая копия с компьютера Ann).yaml",
        "dusk (Ann の競合コピー 2026-01-31).yaml",
        "dusk (Ann 的冲突副本 2026-01-31).yaml",
        "dusk.Conflict.yaml",
        "dusk_Station_Jan-31-221503-2026_Conflict.yaml",
        "dusk-DESKTOP-4F7A2BC.yaml",
        "dusk.yaml.txt",
        "dusk.yml.TXT",
        "caf\udce9.yaml",
    ],
)
def test_what_only_looks_like_a_sidecar_is_passed_over_with_a_word(name):
    """Another version that a synchronising program kept, and the suffix that Notepad adds: not painted, but told."""
    assert not names.is_sidecar(name)
    assert "rename it" in names.passed_over(name)


@pytest.mark.parametrize(("kind", "said"), [("folder", "it is a folder"), ("other", "it is a pipe, a socket or a")])
def test_what_has_a_sidecars_name_and_is_no_file_is_told(kind, said):
    """A link is taken, and fails; a folder of another name is one like others."""
    assert names.passed_over("dusk.yaml", kind).startswith(said)
    assert names.passed_over("dusk.yaml", "link") == names.passed_over("dusk", kind) == ""


@pytest.mark.parametrize(
    "name",
    [
        "dusk.yaml",
        "dusk (2).yaml",
        "conflict.yaml",
        "copy of dusk.yml",
        "notes.txt",
        "a.jpg",
        ".dusk.yaml.txt",
        "dusk-DESKTOP.yaml",
        "dusk-desktop-evening.yaml",
        "copy (in case).yaml",
        "the conflict (day 3).yaml",
        "inner conflict copy.yaml",
    ],
)
def test_every_other_name_is_taken_or_none_of_our_business(name):
    """A number, a word or a machine's name may be meant."""
    assert names.passed_over(name) == ""


@pytest.mark.parametrize("name", ["folder.yaml", "defaults.yaml", "Folder.yml"])
def test_what_speaks_for_a_folder_is_no_other_version_of_a_sidecar(name):
    """Whoever obeyed the word would remove a hot folder that works."""
    assert names.passed_over(name) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dusk", "dusk"),
        ("dusk at sea", "'dusk at sea'"),
        ("grün & blau", "'grün & blau'"),
        ("it's", "'it'\"'\"'s'"),
        ("-rf", "-- -rf"),
        ("- a", "-- '- a'"),
    ],
)
def test_a_name_is_told_as_it_is_typed_behind_a_command(name: str, said: str) -> None:
    """A shell takes it for one word, and the command for no option."""
    assert names.typed(name) == said
    assert shlex.split(f"nst-batch cancel {said}")[-1] == name
    assert names.typed("a", "b c") == "a 'b c'"
    assert names.typed("a", "-b") == "-- a -b"
