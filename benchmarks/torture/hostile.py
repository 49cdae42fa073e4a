"""Mutated images and sidecars: in process by the thousand, and through the daemon with the real worker."""

from __future__ import annotations

import io
import json
import random
import resource
import zlib
from collections import Counter
from pathlib import Path

from kill_house import KillHouse, wait_until
from PIL import Image

from benchmarks.torture.load import _end, _usage
from benchmarks.torture.trial import Figures, Trial
from nst_batch.errors import NstError
from nst_batch.sidecar.expand import parse_sidecar

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP")
SIDECAR = b"""\
content: [a.jpg, b.png]
style: {c.jpg: 0.7, "d e.jpg": 0.3}
title: "{content} in {style}"
output: sub/folder
size: 512
epochs: 3
content_layers: [block5_conv2]
style_layers: {block1_conv1: 1.0, block2_conv1: 0.5}
seed: 7
priority: -1
"""
BITS = (
    b"&a ",
    b"*a",
    b"!!python/object:os.system",
    b"\0",
    b"\xff\xfe",
    b"\t",
    b"- ",
    b"{",
    b"[",
    b": ",
    b"1e999",
    b"\n",
)


def mutated(data: bytes, luck: random.Random, bits: tuple[bytes, ...] = ()) -> bytes:
    """Bytes flipped, cut, doubled, or with something put in between."""
    found = bytearray(data)
    for _ in range(luck.choice((1, 1, 2, 4, 16))):
        at = luck.randrange(len(found) + 1)
        match luck.choice(("flip", "flip", "cut", "double", "drop", "insert")):
            case "flip" if at < len(found):
                found[at] = luck.randrange(256)
            case "cut" if luck.random() < 0.3:
                del found[at:]
            case "double":
                found[at:at] = found[at : at + luck.randrange(64)]
            case "drop":
                del found[at : at + luck.randrange(64)]
            case _:
                found[at:at] = luck.choice(bits) if bits else luck.randbytes(luck.randrange(1, 9))
    return bytes(found)


def pictures() -> list[bytes]:
    """A small picture in each format."""
    picture = Image.new("RGB", (64, 48))
    picture.putdata([(x * 4, y * 5, (x * y) % 256) for y in range(48) for x in range(64)])
    found = []
    for kind in FORMATS:
        file = io.BytesIO()
        picture.save(file, kind)
        found.append(file.getvalue())
    return found


def bomb() -> bytes:
    """A PNG of 30,000² pixels in some kilobytes."""
    side = 30_000

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = side.to_bytes(4, "big") * 2 + bytes((1, 0, 0, 0, 0))
    body = zlib.compress(bytes((side // 8 + 1) * side), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def images(folder: Path, first: int, size: int) -> Figures:
    """Each is decoded or refused with a reason; nothing else is ever raised."""
    from nst_batch.images import decode_bytes  # noqa: PLC0415 - it loads NumPy and OpenCV

    del folder
    luck, originals, ends = random.Random(first), pictures(), Counter[str]()
    for number in range(size):
        try:
            decode_bytes(mutated(originals[number % len(originals)], luck), "image")
        except NstError as error:
            ends[error.code] += 1
        else:
            ends["decoded"] += 1
    return {**ends, "images": size, "most MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def sidecars(folder: Path, first: int, size: int) -> Figures:
    """Each is understood or refused with its problems; nothing else is ever raised."""
    del folder
    luck, ends = random.Random(first), Counter[str]()
    for _ in range(size):
        try:
            parse_sidecar(mutated(SIDECAR, luck, BITS), "a.yaml")
        except NstError:
            ends["refused"] += 1
        else:
            ends["understood"] += 1
    return {**ends, "sidecars": size, "most MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def through_the_daemon(folder: Path, first: int, size: int) -> Figures:
    """As many mutated images as mutated sidecars, and a bomb, with TensorFlow; the daemon never ends."""
    luck, originals = random.Random(first), pictures()
    tiny = {"epochs": 1, "steps_per_epoch": 1, "size": 48, "precision": "float32"}
    jobs = {"attempts": 3, "backoff_seconds": [0.05]}
    watch = {"settle_seconds": 0.2, "rescan_seconds": 1, "incomplete_after": 3}
    house = KillHouse(folder / "house", quick=False, defaults=tiny, jobs=jobs, watch=watch)
    (house.inbox / "good.png").write_bytes(originals[0])
    (house.inbox / "bomb.png").write_bytes(bomb())
    house.sidecar("bomb", content="bomb.png", style="good.png")
    for number in range(size):
        (house.inbox / f"i{number}.png").write_bytes(mutated(originals[number % len(originals)], luck))
        house.sidecar(f"i{number}", content=f"i{number}.png", style="good.png")
        text = f"content: good.png\nstyle: good.png\ntitle: s{number}\nseed: 5\n".encode()
        (house.inbox / f"s{number}.yaml").write_bytes(mutated(text, luck, BITS))
    daemon = house.launch()
    try:
        assert wait_until(lambda: len(house.ended_folders()) >= 1, 120), house.logs()[-2000:]
        before = _usage(daemon.pid)
        grown = 0.0

        def all_taken() -> bool:
            nonlocal grown
            assert daemon.poll() is None, house.logs()[-2000:]
            grown = max(grown, _usage(daemon.pid)["MB"] - before["MB"])
            return not list(house.inbox.glob("*.yaml")) and not list((house.inbox / ".nst_batch/claims").iterdir())

        assert wait_until(all_taken, 120 + 2.0 * size), house.logs()[-2000:]
        assert daemon.poll() is None
    finally:
        _end(daemon)
        house.end()
    bodies = [json.loads((path / "job.json").read_bytes()) for path in house.ended_folders()]
    ends = Counter(body.get("reason") or body["state"] for body in bodies)
    assert house.job("failed/bomb")["reason"] == "image_too_large"
    assert len(bodies) >= 2 * size + 1
    return {"images": size, "sidecars": size, "ended": len(bodies), "most MB grown by": grown, **ends}


TRIALS = (
    Trial("images", "mutated images in process", "images", 10_000, 2_000, images),
    Trial("sidecars", "mutated sidecars in process", "sidecars", 100_000, 20_000, sidecars),
    Trial("hostile", "mutated images and sidecars through the daemon", "of each", 1_000, 250, through_the_daemon),
)
