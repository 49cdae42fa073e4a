"""Pictures that hold something else than they say: other depths, larger pictures, damage, more than one picture."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from nst_batch.errors import JobError
from nst_batch.images import ImageLimits, decode_bytes

HEIGHT, WIDTH = 40, 56
LIMITS = ImageLimits(max_megapixels=1)


def picture(channels: int = 3) -> np.ndarray:
    """Values in [0, 1] that differ in every channel, the fourth an alpha."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [x / (WIDTH - 1), y / (HEIGHT - 1), (x + y) / (WIDTH + HEIGHT), np.where(x < 20, 0.5, 1.0)]
    return np.stack(planes[:channels], axis=-1)


def tiff(*pages: np.ndarray, big: bool = False, **options: object) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=big, byteorder=">" if big else "<") as writer:
        for index, page in enumerate(pages):
            reduced = {"subfiletype": 1} if page.shape[0] < HEIGHT and index == 0 else {}
            writer.write(page, photometric="rgb", metadata=None, **reduced, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(array: np.ndarray, color_type: int, *between: bytes, bits: int = 8, interlaced: bool = False) -> bytes:
    """A PNG of samples as they are stored, without filters, with chunks ``between`` header and pixels."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b""
    for x, y, across, down in passes if interlaced else ((0, 0, 1, 1),):
        for row in array[y::down, x::across]:
            if bits < 8:
                wide = (row.astype(np.uint8)[:, None] >> np.arange(bits - 1, -1, -1)) & 1
                rows += b"\0" + np.packbits(wide).tobytes()
            else:
                rows += b"\0" + row.astype(">u2" if bits == 16 else "u1").tobytes()
    head = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], bits, color_type, 0, 0, interlaced)
    parts = (chunk(b"IHDR", head), *between, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def refusal(data: bytes) -> JobError:
    with pytest.raises(JobError) as caught:
        decode_bytes(data, "x", LIMITS)
    return caught.value


@pytest.mark.parametrize("bits", [7, 8, 9, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_jpeg_xl_of_any_depth_is_as_bright_as_it_says(bits, channels):
    """The greatest sample is 2^bits - 1, of alpha too."""
    stored = np.rint(picture(channels) * (2**bits - 1)).astype("u1" if bits <= 8 else "u2")
    data = imagecodecs.jpegxl_encode(stored.squeeze(), lossless=True, bitspersample=bits)
    read = decode_bytes(data, "x")
    visible = slice(20, None)  # what lies under transparency is not kept
    expected = stored[:, visible, :3] / (2**bits - 1)
    if bits > 8:  # the encoder marks these as linear light
        expected = np.where(expected > 0.0031308, 1.055 * expected ** (1 / 2.4) - 0.055, 12.92 * expected)
    assert np.allclose(read.rgb[:, visible], expected, atol=2e-3)
    assert read.bits == bits
    if channels == 4:
        assert np.allclose(read.alpha, stored[..., 3] / (2**bits - 1), atol=1e-5)


def test_a_moving_jpeg_xl_says_that_its_first_picture_is_used():
    """As for GIF, WebP and PNG that move."""
    frames = np.zeros((3, HEIGHT, WIDTH, 3), np.uint8)
    frames[0] = 200
    read = decode_bytes(imagecodecs.jpegxl_encode(frames, lossless=True), "x")
    assert read.notes == ("it moves: the first picture of it is used",)
    assert read.rgb.min() > 0.78


def test_a_tiff_of_more_pages_says_so():
    """The first is used."""
    first, second = np.full((HEIGHT, WIDTH, 3), 200, np.uint8), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    read = decode_bytes(tiff(first, second), "x")
    assert read.notes == ("it holds more pages: the first picture of full size is used",)
    assert read.rgb.min() > 0.78
    assert decode_bytes(tiff(first), "x").notes == ()


def test_a_tiff_whose_first_page_is_a_thumbnail_gives_the_picture():
    """NewSubfileType, bit 0; where every page is marked so, the first is all there is."""
    full, small = np.full((HEIGHT, WIDTH, 3), 200, np.uint8), np.zeros((8, 12, 3), np.uint8)
    read = decode_bytes(tiff(small, full), "x")
    assert (read.height, read.width) == (HEIGHT, WIDTH)
    assert read.rgb.min() > 0.78
    assert decode_bytes(tiff(small), "x").height == 8


@pytest.mark.parametrize("compression", [7, 34933, 50001, 50002, 34712])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_a_strip_or_tile_that_holds_a_larger_picture_is_refused(compression, tile):
    """The limit counts for what is decoded, not for what the directory says."""
    codec = {7: "jpeg", 34933: "png", 50001: "webp", 50002: "jpegxl", 34712: "jpeg2k"}[compression]
    large = getattr(imagecodecs, f"{codec}_encode")(np.zeros((600, 500, 3), np.uint8))
    data = bytearray(tiff(np.zeros((16, 16, 3), np.uint8), tile=tile))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tags = file.pages.first.tags
        for name, kind, value in (
            ("Compression", "<H", compression),
            ("TileOffsets" if tile else "StripOffsets", "<I", len(data)),
            ("TileByteCounts" if tile else "StripByteCounts", "<I", len(large)),
        ):
            assert tags[name].dtype.name in ("SHORT", "LONG"), tags[name]
            struct.pack_into(kind if tags[name].dtype.name == "LONG" else "<H", data, tags[name].valueoffset, value)
    error = refusal(bytes(data) + large)
    assert "16 × 16 pixels holds a picture of 500 × 600" in str(error)


def test_a_compression_that_is_not_known_is_named():
    """Not handed to whatever codec may know it."""
    data = tiff(np.zeros((16, 16, 3), np.uint8), compression="lerc")
    assert "compressed in a way that is not read here (number 34887)" in str(refusal(data))


def test_the_limit_counts_bytes_as_well():
    """Floats of 64 bits with alpha: 32 bytes a pixel, of which the limit allows 16 on the average."""
    data = tiff(np.zeros((800, 800, 4)), compression="zlib", extrasamples=["unassalpha"])
    error = refusal(data)
    assert error.code == "image_too_large"
    assert "32 bytes a pixel make 20 MB, the limit is 16 MB" in str(error)


def whole_files() -> list[tuple[str, bytes]]:
    rng = np.random.default_rng(3)
    array = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    image, files = Image.fromarray(array), []
    for kind, options in (("QOI", {}), ("PPM", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})):
        file = io.BytesIO()
        image.save(file, kind, **options)
        files.append((kind, file.getvalue()))
    plain = b"P3\n56 40\n255\n" + " ".join(map(str, array.ravel())).encode()
    jxl = imagecodecs.jpegxl_encode(array, lossless=True)
    return [*files, ("PPM", plain), ("JXL", jxl), ("TIFF", tiff(array, big=True))]


@pytest.mark.parametrize(("kind", "data"), whole_files())
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_file_whose_rest_is_missing_is_called_truncated(kind, data, part):
    """So that it is tried again: it may still be on its way."""
    assert decode_bytes(data, "x").format == kind
    assert refusal(data[: int(len(data) * part)]).code == "image_truncated"


@pytest.mark.parametrize(("kind", "data"), whole_files())
def test_damage_is_told_without_words_of_a_decoder(kind, data):
    """A decoder's message is for its makers."""
    broken = data[:20] + b"\xff" * 40 + data[60:-30] + b"\xfe" * 22 + data[-8:]
    try:
        decode_bytes(broken, "x", LIMITS)
    except JobError as error:
        words = str(error).lower()
        assert not any(word in words for word in ("jxl", "codec", "build", "returned", "plugin", "_", "(0)")), words


@pytest.mark.parametrize(
    ("color_type", "bits", "channels"),
    [(0, 1, 0), (0, 2, 0), (0, 4, 0), (0, 8, 0), (0, 16, 0), (2, 8, 3), (2, 16, 3), (4, 8, 2), (4, 16, 2), (6, 8, 4)],
)
@pytest.mark.parametrize("transparent", [False, True])
def test_an_interlaced_png_is_as_one_that_is_not_and_nothing_is_printed(color_type, bits, channels, transparent, capfd):
    """Of every depth, with a colour that is transparent too."""
    shape = (HEIGHT, WIDTH, channels) if channels else (HEIGHT, WIDTH)
    stored = np.random.default_rng(5).integers(0, 2**bits, shape)
    between = []
    if transparent and color_type in (0, 2):
        between = [chunk(b"tRNS", struct.pack(f">{max(channels, 1)}H", *np.atleast_1d(stored[3, 3])))]
    plain = decode_bytes(png(stored, color_type, *between, bits=bits), "x")
    read = decode_bytes(png(stored, color_type, *between, bits=bits, interlaced=True), "x")
    assert np.array_equal(plain.rgb, read.rgb)
    assert (plain.alpha is None) == (read.alpha is None)
    if plain.alpha is not None:
        assert np.array_equal(plain.alpha, read.alpha)
    assert capfd.readouterr() == ("", "")


def test_what_libpng_thinks_of_chunks_that_do_not_count_is_not_printed(capfd):
    """An odd profile, a checksum behind the pixels: it warns of them, and the picture is good."""
    data = png(np.full((HEIGHT, WIDTH, 3), 200), 2, chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(200))))
    late = bytearray(chunk(b"tEXt", b"Title\0nothing"))
    late[-1] ^= 1
    assert decode_bytes(data[:-12] + late + data[-12:], "x").rgb.min() > 0.78
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("interlaced", [False, True])
def test_an_interlaced_palette_keeps_its_colours_and_alpha(interlaced, capfd):
    """Palettes with transparent entries."""
    stored = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 3
    between = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255])), chunk(b"tRNS", b"\xff\xff\x80")
    read = decode_bytes(png(stored, 3, *between, interlaced=interlaced), "x")
    assert np.allclose(read.alpha, np.where(stored == 2, 128 / 255, 1))
    assert np.allclose(read.rgb[stored == 1], [0, 1, 0])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("before", [b"", b"\n"])
@pytest.mark.parametrize("at", [16 + 13, 12 + 2, 33 + 8 + 4])
def test_a_png_with_a_wrong_checksum_names_the_chunk(at, before):
    """In the header, in a chunk's kind, in a chunk that does not count; behind a line break too."""
    data = bytearray(png(np.zeros((HEIGHT, WIDTH, 3)), 2, chunk(b"tEXt", b"Title\0nothing")))
    data[at] ^= 1
    error = refusal(before + bytes(data))
    assert error.code == "image_unreadable"
    assert "the checksum of its chunk" in str(error)


def test_a_png_behind_a_line_break_is_read():
    """As a JPEG is."""
    data = png(np.full((HEIGHT, WIDTH, 3), 200), 2)
    assert decode_bytes(b"\n" + data, "x").rgb.min() > 0.78


@pytest.mark.parametrize(("alpha", "told"), [(255, "nowhere"), (254, "somewhere"), (0, "everywhere")])
def test_a_picture_says_where_it_is_transparent(alpha, told):
    """What becomes of it is for the job to say."""
    stored = np.full((HEIGHT, WIDTH, 4), 200)
    stored[..., 3] = alpha
    read = decode_bytes(png(stored, 6), "x")
    assert (read.transparent, read.notes) == (told, ())
