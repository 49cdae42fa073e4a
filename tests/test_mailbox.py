"""Messages by files: whole lines only, in order, and from nobody but the one who may write them."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from nst_batch.mailbox import MailReader, MailWriter

US = os.geteuid()


def test_messages_arrive_in_order_and_once(tmp_path: Path) -> None:
    """However they are cut into reads."""
    writer, reader = MailWriter(tmp_path / "mail", US), MailReader(tmp_path / "mail", US, "say")
    for number in range(3):
        writer.post({"say": "step", "step": number})
    assert [message["step"] for message in reader.read()] == [0, 1, 2]
    whole = b'{"say":"step","step":3}\n'
    writer.write(whole[:9])
    assert reader.read() == []
    writer.write(whole[9:])
    assert reader.read() == [{"say": "step", "step": 3}]
    assert reader.read() == []


def test_what_did_not_fit_is_told_and_spoils_nothing_that_follows(tmp_path: Path) -> None:
    """A disk that fills up takes the beginning of a line; the writer learns it, and the next line is whole."""
    writer, reader = MailWriter(tmp_path / "mail", US), MailReader(tmp_path / "mail", US, "say")
    writer.post({"say": "ready"})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "mail").stat().st_size + 5, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            writer.post({"say": "step"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    writer.post({"say": "ended"})
    assert [message["say"] for message in reader.read()] == ["ready", "ended"]


@pytest.mark.parametrize("line", [b"\0\0\0", b"[1]", b"{}", b'{"say": 1}', b"{" * 50_000, b"[" * 50_000, b"\xff"])
def test_a_damaged_line_is_passed_over(tmp_path: Path, line: bytes) -> None:
    """The ones around it count."""
    path = tmp_path / "mail"
    path.write_bytes(b'{"say":"a"}\n' + line + b'\n{"say":"b"}\n')
    assert [message["say"] for message in MailReader(path, US, "say").read()] == ["a", "b"]


def _link(path: Path) -> None:
    path.symlink_to(path.with_name("other"))


def _second_name(path: Path) -> None:
    os.link(path.with_name("other"), path)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _strangers(path: Path) -> None:
    path.write_bytes(b'{"do":"job"}\n')
    os.chown(path, 65534, 65534)


@pytest.mark.parametrize(
    "put",
    [
        _link,
        _second_name,
        _pipe,
        pytest.param(_strangers, marks=pytest.mark.skipif(US != 0, reason="giving files away needs root")),
    ],
)
def test_only_an_own_file_is_a_mailbox(tmp_path: Path, put: object) -> None:
    """What somebody else puts in its place is neither believed nor written to."""
    (tmp_path / "other").write_bytes(b'{"do":"job"}\n')
    put(tmp_path / "mail")  # type: ignore[operator]
    with pytest.raises(OSError, match="mail"):
        MailReader(tmp_path / "mail", US, "do").read()
    with pytest.raises(OSError, match="mail"):
        MailWriter(tmp_path / "mail", US).post({"do": "stop"})
    assert (tmp_path / "other").read_bytes() == b'{"do":"job"}\n'
