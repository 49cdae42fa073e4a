"""resolver: which files a reference means, in which order, and what is refused by name."""

from __future__ import annotations

import os
import time
import unicodedata

import pytest

from nst_batch.sidecar.filetree import DiskTree
from nst_batch.sidecar.resolver import FileRef, FileResolver, is_glob, reference_fault


@pytest.fixture
def house(tmp_path):
    for name in (
        "inbox/a.jpg", "inbox/img1.jpg", "inbox/img2.jpg", "inbox/img10.jpg", "inbox/notes.txt", "inbox/img3.jpg.part",
        "inbox/.img4.jpg", "inbox/night.yaml", "inbox/a[1].jpg", "inbox/a1.jpg", "inbox/sub/a.jpg", "inbox/sub/c.jpg",
        "inbox/sub/x/d.png", "inbox/sub/x/y/e.webp", "inbox/@eaDir/t.jpg", "inbox/.nst_batch/claims/z.jpg",
        "styles/waves.jpg", "styles/a.jpg", "styles/old/van.jpg", "more/waves.jpg", "more/last.jpg", "secret.jpg",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def resolver(house, folder="", **options) -> FileResolver:
    library = [DiskTree(house / "styles"), DiskTree(house / "more")]
    return FileResolver(DiskTree(house / "inbox"), folder, library, **options)


def found(house, reference, role="content", folder="", **options) -> list[str]:
    refs = resolver(house, folder, **options).find(reference, role)
    return [str((house / "inbox" / ref.path).relative_to(house)) for ref in refs]


def test_beside_the_sidecar_first_then_the_inbox(house):
    """An image beside the sidecar goes before one of the same name at the inbox's root."""
    assert found(house, "a.jpg", folder="sub") == ["inbox/sub/a.jpg"]
    assert found(house, "img1.jpg", folder="sub") == ["inbox/img1.jpg"]
    assert found(house, "sub/c.jpg", folder="sub") == ["inbox/sub/c.jpg"]
    assert found(house, "./sub//c.jpg") == ["inbox/sub/c.jpg"]
    assert found(house, "c.jpg") == []


def test_library_is_for_styles_and_last(house):
    """A style is looked for in the library after the inbox, in the order of its folders; a content is not."""
    assert found(house, "waves.jpg", "style") == ["styles/waves.jpg"]
    assert found(house, "last.jpg", "style") == ["more/last.jpg"]
    assert found(house, "old/van.jpg", "style") == ["styles/old/van.jpg"]
    assert found(house, "a.jpg", "style") == ["inbox/a.jpg"]
    assert found(house, "waves.jpg", "content") == []
    assert resolver(house).find("waves.jpg", "style")[0].library
    assert not resolver(house).find("a.jpg", "style")[0].library


def test_what_many_sidecars_name_is_kept_once(house):
    """Tens of thousands of them, each with a sentence on what is missing, would take megabytes more."""
    one, other = (resolver(house).find("waves.jpg", "style")[0] for _ in range(2))
    assert one is other
    assert FileRef.missing("gone.jpg") is FileRef.missing("gone.jpg")


def test_glob_in_natural_order(house):
    """A glob gives images alone, as people count; no hidden file, copy under way, sidecar or text."""
    assert found(house, "img*") == ["inbox/img1.jpg", "inbox/img2.jpg", "inbox/img10.jpg"]
    assert found(house, "img[12].jpg") == ["inbox/img1.jpg", "inbox/img2.jpg"]
    assert found(house, "img?.*") == ["inbox/img1.jpg", "inbox/img2.jpg"]
    assert found(house, "n*") == []


def test_glob_over_folders(house):
    """** is any number of folders, none too; the daemon's own and hidden folders are never walked."""
    assert found(house, "**/*.jpg", folder="sub") == ["inbox/sub/a.jpg", "inbox/sub/c.jpg"]
    assert found(house, "sub/**") == [
        "inbox/sub/a.jpg",
        "inbox/sub/c.jpg",
        "inbox/sub/x/d.png",
        "inbox/sub/x/y/e.webp",
    ]
    assert found(house, "sub/*/*.png") == ["inbox/sub/x/d.png"]
    assert found(house, "s*/x/**/e.*") == ["inbox/sub/x/y/e.webp"]
    assert not any(".nst_batch" in path or "@eaDir" in path for path in found(house, "**"))
    assert len(found(house, "**/**/**")) == len(set(found(house, "**")))


def test_first_place_with_a_match_wins(house):
    """A glob that matches beside the sidecar is not looked for elsewhere."""
    assert found(house, "*.jpg", folder="sub") == ["inbox/sub/a.jpg", "inbox/sub/c.jpg"]
    assert found(house, "wav*", "style") == ["styles/waves.jpg"]


def test_literal_before_glob(house):
    """A file whose very name looks like a glob is meant by it; without it the glob counts."""
    assert found(house, "a[1].jpg") == ["inbox/a[1].jpg"]
    (house / "inbox" / "a[1].jpg").unlink()
    assert found(house, "a[1].jpg") == ["inbox/a1.jpg"]


def test_letters_composed_otherwise(house):
    """A name written with composed letters means the file that a Mac wrote with decomposed ones."""
    name = unicodedata.normalize("NFD", "été.jpg")
    (house / "inbox" / name).touch()
    assert found(house, unicodedata.normalize("NFC", "été.jpg")) == [f"inbox/{name}"]
    assert found(house, "été*") == [f"inbox/{name}"]


NARROW = "Shot at 9.22\u202fPM.png"


def test_a_plain_space_means_any_kind_of_space(house):
    """macOS's own names hold U+202F, which nobody can type: the one file that looks the same is meant."""
    (house / "inbox" / NARROW).touch()
    assert found(house, "Shot at 9.22 PM.png") == [f"inbox/{NARROW}"]
    assert found(house, NARROW) == [f"inbox/{NARROW}"]
    assert found(house, "Shot at * PM.png") == [f"inbox/{NARROW}"]
    assert found(house, "shot at 9.22 PM.png") == []


def test_of_several_that_look_the_same_none_is_guessed(house):
    """The exact one is meant where it is there; else the message tells them apart."""
    other = NARROW.replace("\u202f", "\u00a0")
    for name in (NARROW, other):
        (house / "inbox" / name).touch()
    plain = "Shot at 9.22 PM.png"
    assert found(house, plain) == []
    hint = resolver(house).suggest(plain, "content")
    assert "U+202F narrow no-break space" in hint
    assert "U+00A0 no-break space" in hint
    (house / "inbox" / plain).touch()
    assert found(house, plain) == [f"inbox/{plain}"]


def test_bins_and_snapshots_are_never_looked_into(house):
    """What somebody deleted on a file server is not painted; by no glob and not by its name."""
    for folder in ("#recycle", "$RECYCLE.BIN", "System Volume Information", "sub/lost+found"):
        (house / "inbox" / folder).mkdir()
        (house / "inbox" / folder / "gone.png").touch()
    assert [path for path in found(house, "**/*.png") if "gone" in path] == []
    assert found(house, "*/gone.png") == []
    assert reference_fault("#recycle/gone.png") is not None


def test_links_are_found_and_refused(house):
    """A symbolic link named as an image, or on the way to one, is refused and never followed."""
    inbox = house / "inbox"
    (inbox / "link.jpg").symlink_to(house / "secret.jpg")
    (inbox / "img5.jpg").symlink_to("img1.jpg")
    (inbox / "out").symlink_to(house)
    (ref,) = resolver(house).find("link.jpg", "content")
    assert (ref.kind, ref.refusal.code) == ("link", "path_outside")
    (ref,) = resolver(house).find("out/secret.jpg", "content")
    assert (ref.kind, ref.refusal.code) == ("other", "path_outside")
    (ref,) = resolver(house).find("out/*.jpg", "content")
    assert ref.refusal.code == "path_outside"
    refs = resolver(house).find("img?.jpg", "content")
    assert [ref.name for ref in refs if ref.refusal] == ["img5.jpg"]
    assert not any("secret" in path for path in found(house, "**"))


def test_library_links_are_not_followed_either(house):
    """The library's folders are a border too."""
    (house / "styles" / "link.jpg").symlink_to(house / "secret.jpg")
    (ref,) = resolver(house).find("link.jpg", "style")
    assert ref.refusal.code == "path_outside"


def test_what_is_no_file_is_refused(house):
    """A folder, a pipe or a device named as an image is refused by name."""
    os.mkfifo(house / "inbox" / "pipe.jpg")
    for name in ("sub", "pipe.jpg"):
        (ref,) = resolver(house).find(name, "content")
        assert (ref.kind, ref.refusal.code) == ("other", "image_not_a_file")
    assert found(house, "pipe*") == []


@pytest.mark.parametrize(
    "reference", ["nothing.jpg", "a.jpg/b.jpg", "nothing/*.jpg", "x" * 300, "*.gif", "notes.txt/*"]
)
def test_missing(house, reference):
    """What is not there is an empty answer: it may come yet."""
    assert found(house, reference) == []


def test_glob_stops_beyond_its_most(house):
    """A glob over a huge folder ends soon after the number that any sidecar may have."""
    for number in range(50):
        (house / "inbox" / "sub" / f"{number}.jpg").touch()
    assert len(found(house, "sub/**", most=10)) <= 60
    assert len(found(house, "sub/**", most=10)) > 10


def test_hostile_glob_is_quick(house):
    """Stars upon stars do not take the daemon's time."""
    (house / "inbox" / ("a" * 200 + ".jpg")).touch()
    before = time.process_time()
    assert found(house, "*a" * 60 + "b.jpg") == []
    assert found(house, "/".join(["**"] * 200) + "/zzz*") == []
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    ("there", "typed", "hint"),
    [
        ("\u0441ocoa.png", "cocoa.png", "\u0441ocoa.png (with U+0441 cyrillic small letter es)"),
        ("\u0430\u0440\u0435.png", "ape.png", "\u0430\u0440\u0435.png (with U+0430 cyrillic small letter a, "),
        ("cocoa.png", "\u0441ocoa.png", "cocoa.png"),
        (" lead.png", "lead.png", '" lead.png"'),
        ("trail.png ", "trail.png", '"trail.png "'),
        ("Wide.png", "wide.png", "Wide.png"),
    ],
)
def test_what_differs_by_what_nobody_sees_is_named(house, there, typed, hint):
    """Letters of another script that look the same; spaces at the ends, in quotes; neither is taken for the other."""
    (house / "inbox" / there).write_bytes(b"x")
    assert not resolver(house).find(typed, "content")
    assert resolver(house).suggest(typed, "content").startswith(hint)


def test_suggest(house):
    """A missing name comes with the one that is probably meant."""
    assert resolver(house).suggest("IMG1.JPG", "content") == "img1.jpg"
    assert resolver(house).suggest("wave.jpg", "style") == "waves.jpg"
    assert resolver(house).suggest("qqqqqqqq.png", "content") == ""
    assert resolver(house).suggest("q1q.jpg", "content") == ""  # the suffix alone makes no name close


@pytest.mark.parametrize("reference", ["/etc/passwd", "../a.jpg", "a/../../b.jpg", "sub/..", "/"])
def test_paths_may_not_leave(reference):
    """Absolute and climbing paths have a code of their own."""
    fault = reference_fault(reference)
    assert fault is not None
    assert fault.code == "path_outside"


@pytest.mark.parametrize(
    "reference",
    ["", ".", "./", "a\x00.jpg", "a\u202egpj.png", "a\x1b[2J.png", "a\u2028.png",
     "a\n.jpg", "a\\b.jpg", ".hidden.jpg", ".nst_batch/claims/x.jpg", "a.jpg.part",
     "x.yaml", "x" * 1001],
)  # fmt: skip
def test_wrong_references(reference):
    """What can never be an input is refused before anything is looked for."""
    fault = reference_fault(reference)
    assert fault is not None
    assert fault.code == ""


@pytest.mark.parametrize(
    "reference",
    [
        "a.jpg",
        "sub/a.jpg",
        "./a.jpg",
        "*.jpg",
        "a..b.jpg",
        "...a/…".lstrip("."),
        "été.png",
        NARROW,
        "a\u00a0\u200d\u00ad.png",
    ],
)
def test_right_references(reference):
    """A relative path or glob is fine."""
    assert reference_fault(reference) is None


def test_is_glob():
    """Three characters make a glob."""
    assert all(is_glob(reference) for reference in ("*.jpg", "a?.jpg", "[ab].jpg"))
    assert not is_glob("a-b {c}.jpg")
