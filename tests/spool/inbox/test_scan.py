"""What is still, over any history of listings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nst_batch.clock import Moment
from nst_batch.errors import Problem, ProblemsError
from nst_batch.names import fold
from nst_batch.sidecar.expand import InputRequest, JobRequest
from nst_batch.sidecar.resolver import FileRef
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.spool.disk.layout import claim_id, shorten, unique_file
from nst_batch.spool.inbox.listing import Entry, Listing, is_left_out
from nst_batch.spool.inbox.readiness import Used, Wanted
from nst_batch.spool.inbox.scan import Scanner

SETTLE = 5.0
SETTINGS = resolve(Patch())


class OneImage:
    """A sidecar names one image: its own stem with .jpg; a text of `broken` is none."""

    def __init__(self) -> None:
        self.parsed = 0
        self.expanded = 0

    def parse(self, path: str, text: bytes) -> str:
        self.parsed += 1
        if text == b"broken":
            raise ProblemsError("sidecar_invalid", path, (Problem(1, "", "broken"),))
        return path.replace(".yaml", ".jpg")

    def expand(self, path: str, request: str, entries: Any) -> tuple[Wanted, Used]:
        self.expanded += 1
        there = request in entries
        file = FileRef(request, request) if there else FileRef.missing(request)
        job = JobRequest(path[:-5], "", SETTINGS, (InputRequest("content", file),))
        wanted = Wanted((job,)) if there else Wanted((), {request: ""}, job)
        return wanted, Used(frozenset({request}))


def scanner(reading: OneImage | None = None, texts: dict[str, bytes] | None = None) -> Scanner:
    return Scanner(
        reading or OneImage(),
        read=lambda path: (texts or {}).get(path, b""),
        readable=lambda path: True,
        takable=lambda folder: True,
        settle_seconds=SETTLE,
        incomplete_after=3600.0,
    )


def entry(version: int, kind: str = "file", ctime: int = 0) -> Entry:
    return Entry(kind, version, 10, 10, ctime)


HISTORIES = st.lists(
    st.tuples(
        st.floats(min_value=0.0, max_value=7.0),
        st.dictionaries(st.sampled_from(["a.yaml", "a.jpg"]), st.integers(0, 2)),
    ),
    min_size=1,
    max_size=25,
)


@given(HISTORIES)
@settings(max_examples=300, deadline=None)
def test_ready_means_that_every_look_of_the_window_saw_the_same(history: list[tuple[float, dict[str, int]]]) -> None:
    """For any history: a pair is ready if and only if both files were there, the same, for settle_seconds."""
    scan = scanner()
    mono, since = 0.0, {}
    before: dict[str, int] = {}
    for pause, files in history:
        mono += pause
        for name, version in files.items():
            if before.get(name) != version:
                since[name] = mono
        before = files
        listing = Listing({name: entry(version) for name, version in files.items()})
        found = scan.look(listing, (), Moment(mono, 0.0))
        still = {name for name in files if mono >= since[name] + SETTLE}
        assert bool(found.ready) is (still == {"a.yaml", "a.jpg"})
        assert len(found.ready) + len(found.waiting) == ("a.yaml" in files)


@given(
    st.lists(st.text(st.sampled_from("aAäÄ2-"), min_size=1, max_size=4), max_size=12),
    st.sets(st.text("aA2-", max_size=3)),
)
@settings(deadline=None)
def test_job_names_are_unique_and_sticky(titles: list[str], taken: set[str]) -> None:
    """No two waiting jobs share a name, ignoring case; one that has a name keeps it when others come."""

    class Titled(OneImage):
        def expand(self, path: str, request: str, entries: Any) -> tuple[Wanted, Used]:
            wanted, used = super().expand(path, request, entries)
            return replace(wanted, jobs=tuple(replace(job, title=titles[int(path[:-5])]) for job in wanted.jobs)), used

    scan = scanner(Titled())
    entries: dict[str, Entry] = {}
    known: dict[str, tuple[str, ...]] = {}
    mono = 0.0
    keys = frozenset(map(fold, taken))
    for number in range(len(titles)):
        entries = {**entries, f"{number}.yaml": entry(number), f"{number}.jpg": entry(number)}
        scan.look(Listing(entries), keys, Moment(mono, 0.0))
        mono += SETTLE + 1
        found = scan.look(Listing(entries), keys, Moment(mono, 0.0))
        names = {pair.sidecar: pair.names for pair in found.ready}
        folded = [name.casefold() for given in names.values() for name in given]
        assert len(set(folded)) == len(folded)
        assert not set(folded) & {name.casefold() for name in taken}
        assert known.items() <= names.items()
        known = names


def test_nothing_is_read_again_while_nothing_changes() -> None:
    """A sidecar is parsed once, and its images are looked for again only when one of them changes."""
    reading = OneImage()
    scan = scanner(reading)
    entries = {"a.yaml": entry(1), "b.yaml": entry(2), "a.jpg": entry(3)}
    for second in range(100):
        scan.look(Listing(dict(entries)), (), Moment(float(second), 0.0))
    assert (reading.parsed, reading.expanded) == (2, 2)
    entries["other.jpg"] = entry(4)
    scan.look(Listing(dict(entries)), (), Moment(200.0, 0.0))
    assert reading.expanded == 2
    entries["b.jpg"] = entry(5)
    scan.look(Listing(dict(entries)), (), Moment(201.0, 0.0))
    assert reading.expanded == 3


def test_the_next_change_is_told() -> None:
    """The loop needs no clock of its own: it is told when a file will have been still for long enough."""
    scan = scanner()
    entries = {"a.yaml": entry(1), "a.jpg": entry(2)}
    found = scan.look(Listing(entries), (), Moment(10.0, 0.0))
    assert found.next_change == 15.0
    assert not found.complete
    found = scan.look(Listing(entries), (), Moment(15.0, 0.0))
    assert len(found.ready) == 1
    assert found.complete


def test_a_corrected_sidecar_is_read_again() -> None:
    """Broken ones are told with what is wrong; another file of that name is another chance."""
    texts = {"a.yaml": b"broken"}
    scan = scanner(texts=texts)
    entries = {"a.yaml": entry(1), "a.jpg": entry(2)}
    scan.look(Listing(entries), (), Moment(0.0, 0.0))
    found = scan.look(Listing(entries), (), Moment(6.0, 0.0))
    assert [item.reason.code for item in found.broken] == ["sidecar_invalid"]
    texts["a.yaml"] = b"good"
    entries = {**entries, "a.yaml": entry(3)}
    scan.look(Listing(entries), (), Moment(7.0, 0.0))
    assert len(scan.look(Listing(entries), (), Moment(13.0, 0.0)).ready) == 1


@settings(deadline=None)
@given(st.integers(0, 4_000_000_000_000_000), st.integers(0, 4_000_000_000_000_000))
def test_claim_ids_sort_by_arrival(one: int, other: int) -> None:
    """In microseconds since the epoch; equal ones are told apart by their last part."""
    ids = [claim_id(moment * 1000, "abcd") for moment in (one, other)]
    assert (one < other) is (ids[0] < ids[1])


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=300).filter(
    lambda name: len(name.encode()) <= 255
)


@settings(deadline=None)
@given(st.lists(NAMES, max_size=20))
def test_names_in_input_are_unique_and_fit(given_names: list[str]) -> None:
    """Equal names get -2 before their suffix; no name grows beyond what a file system takes."""
    taken: set[str] = set()
    names = [unique_file(name, taken) for name in given_names]
    assert len({name.casefold() for name in names}) == len(names)
    assert all(0 < len(name.encode()) <= 255 for name in names)


def test_shortened_names_keep_their_suffix() -> None:
    """What a decoder goes by stays, and no letter is cut in half."""
    assert shorten("ä" * 200 + ".jpg", 200).endswith("ä.jpg")
    assert len(shorten("ä" * 200 + ".jpg", 201).encode()) <= 201
    assert unique_file("a.jpg", {"a.jpg"}) == "a-2.jpg"
    for start in ("ab.", "ab~$", "ab@GMT-", "ab...", "ab.~$"):  # what is cut in front leaves a name that is looked at
        name = (start + "c" * 255)[:251] + ".jpg"
        assert not is_left_out(unique_file(name, {name.lower()})), name
