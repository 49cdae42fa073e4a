"""Paths beneath a root: by openat2 and by steps, no link is ever followed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from nst_batch import beneath
from nst_batch.beneath import Beneath


@pytest.fixture(params=["openat2", "by steps", "filtered"])
def files(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Beneath:
    """A root as each kind of kernel looks into it."""
    if request.param == "openat2":
        try:
            os.close(beneath.openat2(os.open(tmp_path, beneath.FOLDER), "."))
        except OSError:
            pytest.skip("this kernel has no openat2")
    else:
        code = errno.ENOSYS if request.param == "by steps" else errno.EPERM

        def missing(*_args: object) -> int:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(beneath, "openat2", missing)
    files = Beneath()
    (tmp_path / "root/sub/deep").mkdir(parents=True)
    (tmp_path / "outside/deep").mkdir(parents=True)
    (tmp_path / "root/sub/deep/a").write_text("inside")
    (tmp_path / "outside/deep/a").write_text("secret")
    (tmp_path / "outside/a").write_text("secret")
    files.keep_beneath(tmp_path / "root")
    return files


def read(files: Beneath, path: Path) -> bytes:
    fd = files.open(path)
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


def test_a_path_beneath_is_found(files: Beneath, tmp_path: Path) -> None:
    """Files, kinds and names as they are."""
    root = tmp_path / "root"
    assert read(files, root / "sub/deep/a") == b"inside"
    assert files.kind(root / "sub") == "folder"
    assert files.kind(root) == "folder"
    assert files.names(root / "sub/deep") == ["a"]
    assert files.kind(root / "nothing/at/all") is None
    assert files.may(root / "sub/deep/a", os.R_OK)


@pytest.mark.parametrize("link", ["sub", "sub/deep"])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_folder_that_is_a_link_by_now_leads_nowhere(
    files: Beneath, tmp_path: Path, link: str, absolute: bool
) -> None:
    """Wherever it points, for reading, looking and listing alike."""
    place = tmp_path / "root" / link
    outside = tmp_path / "outside" / ("deep" if link.endswith("deep") else "")
    place.rename(tmp_path / "away")
    place.symlink_to(outside if absolute else os.path.relpath(outside, place.parent), target_is_directory=True)
    with pytest.raises(NotADirectoryError) as raised:
        files.open(tmp_path / "root/sub/deep/a")
    assert raised.value.filename == str(tmp_path / "root/sub/deep/a")
    assert files.kind(tmp_path / "root/sub/deep/a") is None
    assert files.kind(place) == "link"
    with pytest.raises(OSError, match=r"directory|symbolic"):
        files.names(tmp_path / "root/sub/deep")


def test_a_link_itself_is_not_opened(files: Beneath, tmp_path: Path) -> None:
    """It can be looked at and read as a link, that is all."""
    (tmp_path / "root/link").symlink_to(tmp_path / "outside/a")
    with pytest.raises(OSError, match="symbolic links"):
        files.open(tmp_path / "root/link")
    assert files.kind(tmp_path / "root/link") == "link"
    assert files.readlink(tmp_path / "root/link") == str(tmp_path / "outside/a")


@pytest.mark.parametrize("path", ["root/../outside/a", "root/sub/../../outside/a", "outside/a", "root/sub/.."])
def test_a_path_that_climbs_or_lies_elsewhere_is_refused(files: Beneath, tmp_path: Path, path: str) -> None:
    """Also where no link has anything to do with it."""
    with pytest.raises(NotADirectoryError):
        files.open(Path(f"{tmp_path}/{path}"))


def test_the_root_may_be_a_link_and_a_pinned_one_stays_what_it_was(files: Beneath, tmp_path: Path) -> None:
    """Who set the daemon up may have its folders where they like; a folder kept open is not another one later."""
    (tmp_path / "alias").symlink_to("root")
    files.keep_beneath(tmp_path / "alias")
    assert read(files, tmp_path / "alias/sub/deep/a") == b"inside"
    own = tmp_path / "root/sub"
    files.pin(own, os.open(own, beneath.FOLDER))
    own.rename(tmp_path / "away")
    own.symlink_to(tmp_path / "outside")
    assert read(files, own / "deep/a") == b"inside"
    files.unpin(own)
    assert files.kind(own / "deep/a") is None


def test_a_pipe_does_not_hold_anybody_up(files: Beneath, tmp_path: Path) -> None:
    """Opening one returns at once."""
    os.mkfifo(tmp_path / "root/pipe")
    os.close(files.open(tmp_path / "root/pipe"))
    assert files.kind(tmp_path / "root/pipe") == "other"


def test_a_pinned_folder_is_let_go_with_its_holder(tmp_path: Path) -> None:
    """No descriptor outlives the object that kept it: thousands of them in one process leave none behind."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not opened
    for _ in range(50):
        files = Beneath()
        files.pin(tmp_path, os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY))
        del files
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def test_folders_that_are_kept_open_are_looked_up_once(
    files: Beneath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For as long as that is asked for, and however deeply; afterwards each is looked up again, none is left open."""
    looked_up, real = 0, beneath.open_folder

    def counting(*args: Any) -> int:
        nonlocal looked_up
        looked_up += 1
        return real(*args)

    monkeypatch.setattr(beneath, "open_folder", counting)
    path, before = tmp_path / "root/sub/deep/a", len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with files.keeping_open():
        with files.keeping_open():
            assert read(files, path) == b"inside"
        for _ in range(5):
            assert files.kind(path) == "file"
    assert looked_up == 1
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert files.kind(path) == "file"
    assert looked_up == 2


def test_a_folder_that_is_kept_open_stays_the_one_that_was_found(files: Beneath, tmp_path: Path) -> None:
    """A link that gets its name leads nowhere, then as later; what we move ourselves is looked up where it is."""
    deep, away = tmp_path / "root/sub/deep", tmp_path / "root/away"
    with files.keeping_open():
        assert files.kind(deep / "a") == "file"
        deep.rename(away)
        deep.symlink_to(tmp_path / "outside/deep")
        assert read(files, deep / "a") == b"inside"
        files.forget_folders(deep)
        with pytest.raises(NotADirectoryError):
            read(files, deep / "a")
    with pytest.raises(NotADirectoryError):
        read(files, deep / "a")


def test_more_folders_than_are_kept_open_are_looked_up_each_time(files: Beneath, tmp_path: Path) -> None:
    """And those that are in use are never closed for them."""
    for number in range(2 * beneath.MOST_KEPT):
        (tmp_path / f"root/{number}").mkdir()
    with files.keeping_open(), files.at(tmp_path / "root/sub/deep/a") as (folder, name):
        for number in range(2 * beneath.MOST_KEPT):
            assert files.kind(tmp_path / f"root/{number}/a") is None
        assert os.stat(name, dir_fd=folder).st_size == len("inside")
