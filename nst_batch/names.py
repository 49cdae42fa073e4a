"""Names: what a title may be, which names are equal, which are taken, which files are somebody's leftovers.

A title is one file name. Equality ignores case and the ways Unicode has of writing the same letter, because
results are looked at from file systems that do so too.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shlex
import unicodedata
from collections.abc import Callable, Collection

from nst_batch.beneath import WHAT_IS_NO_FILE
from nst_batch.characters import is_text, unfit
from nst_batch.errors import UsageError
from nst_batch.filenames import FAILED_FOLDER, PAGE_NAME, RUNNING_FOLDER

MAX_TITLE_BYTES = 200
FORBIDDEN = '/\\:*?"<>|'
RESERVED = (RUNNING_FOLDER, FAILED_FOLDER, PAGE_NAME)  # at the outbox's root
DEFAULT_TEMPLATE = "{content}-{style}"
HOT_NAMES = frozenset(("folder.yaml", "folder.yml"))
DEFAULTS_NAMES = frozenset(("defaults.yaml", "defaults.yml"))
IMAGE_SUFFIXES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".webp",
        ".tif",
        ".tiff",
        ".bmp",
        ".gif",
        ".avif",
        ".heic",
        ".heif",
        ".hif",
        ".jxl",
        ".jp2",
        ".j2k",
        ".ppm",
        ".pgm",
        ".pnm",
        ".qoi",
        ".sgi",
        ".pcx",
        ".tga",
    ]
)
_NOT_READ = re.compile(
    r"\.(cr[23w]|nef|nrw|arw|sr[2fw]|dng|raf|orf|rw2|pef|x3f|3fr|iiq|raw|ps[db]|xcf|kra|ora|afphoto|svgz?|pdf|eps|ai|exr|hdr"
    r"|ico|icns|jxr|wdp|hdp|dds|djvu|fits?|dcm|bpg|flif|jls|jb2|jbig2?|pam|pfm|pcd|dpx|cin|psp|psp?image|pdn|clip|procreate|sketch"
    r"|indd|cdr|wmf|emf|xpm|xbm|ilbm|lbm|ras|mov|mp4|m4v|avi|mkv|webm|mts|wmv)"
)

SIDECAR_SUFFIXES = frozenset((".yaml", ".yml"))

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_DIGITS = re.compile(r"([0-9]+)")
_TEMPORARY_SUFFIXES = (".part", ".filepart", ".crdownload", ".tmp", "~")
_TEMPORARY_PREFIXES = (".", "~$", "~syncthing~", "@gmt-")
_TEMPORARY_NAMES = frozenset(
    [
        # What file servers and systems keep beside people's files: thumbnails, marks, bins, snapshots, what was found.
        *("thumbs.db", "desktop.ini", "@eadir", "@__thumb", "__macosx", "icon\r", "thevolumesettingsfolder"),
        *("#recycle", "@recycle", "$recycle.bin", "recycler", "recycled", "network trash folder"),
        *("#snapshot", "@recently-snapshot", "@snapshot", "~snapshot", "system volume information"),
        *("lost+found", "temporary items"),
    ]
)
# What programs that keep folders in step call the other version of a file: Syncthing, Resilio, ownCloud, Synology,
# Seafile, Unison, OneDrive; and Dropbox, Nextcloud and others, each in its user's language: "(Anns conflicted copy
# 2026-01-31)", "(In Konflikt stehende Kopie von Ann)", "(Case Conflict 1)".
_CLASHES = (
    "conflict|conflit|conflitt|conflito|conflicto|konflikt|motstrid|modstrid|tegenstrij|ristirii|ütköz|конфли|конфлі"
    "|競合|冲突|衝突|충돌"
)
_COPIES = (
    "cop[iy]|cópia|k[oó]pi|kopi|copie|exempla|version|versie|clash|case|groß|casse|maiusc|mayús|maiús|caps|encoding"
    "|whitespace|selective|копи|копі|регистр|コピー|副本|複本|사본"
)
_CONFLICT = re.compile(
    r"\.sync-conflict-\d{8}-\d{6}|\.conflict\.[^.]+$|_conflict-\d{8}-\d{6}|-\d{6}-\d{4}_conflict\b"
    r"|\(sfconflict [^()]*\)|\(copy: conflict\b|[\[(]conflict(ed)?( \d+)?[\])]"
    r"|(?-i:-(DESKTOP|LAPTOP|WIN)-[A-Z0-9]{7,11}\b)|\(case clash from [^()]*\)"
    rf"|\((?=[^()]*({_CLASHES}))[^()]*({_COPIES})[^()]*\)",
    re.IGNORECASE,
)


def normal(name: str) -> str:
    """``name`` in Unicode's composed form (NFC), the one that titles are kept in."""
    return unicodedata.normalize("NFC", name)


def typed(*given: str | os.PathLike[str]) -> str:
    """Names of jobs, or paths, as they are typed behind a command: quoted for a shell, and never taken for options."""
    words = [os.fspath(name) for name in given]
    return ("-- " if any(word.startswith("-") for word in words) else "") + shlex.join(words)


def user_called(uid: int) -> str:
    """A user's name, or ``#4001`` for one that has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def group_called(gid: int) -> str:
    """A group's name, or its number."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def as_user(name: str, command: str) -> str:
    """``command`` as it is typed to be run by a user, called as by :func:`user_called`."""
    return f"sudo -u {shlex.quote(name)} {command}"


def fold(name: str) -> str:
    """Two names are the same when this is equal: case and composition are ignored."""
    return normal(normal(name).casefold())


def title_fault(title: str) -> str | None:
    """What keeps ``title`` from being one file name, or None. Reads: "the title 'a/b' " + fault."""
    found = sorted(set(FORBIDDEN) & set(title))
    length = len(normal(title).encode("utf-8", "surrogatepass"))
    faults = (
        (not title, "is empty"),
        (bool(found), f"holds {' '.join(found)}, which a file name may not"),
        (bool(unfit(title)), f"holds {unfit(title)}"),
        (bool(title) and not any(map(_is_seen, title)), "has no character that can be seen"),
        (title.startswith("."), "begins with a dot"),
        (title.endswith("."), "ends with a dot"),
        (title.endswith(" "), "ends with a space"),
        (length > MAX_TITLE_BYTES, f"has {length} bytes, more than {MAX_TITLE_BYTES}"),
    )
    return next((words for wrong, words in faults if wrong), None)


def _is_seen(char: str) -> bool:
    return unicodedata.category(char) not in ("Zs", "Cf")


def check_title(title: str) -> str:
    """``title`` in NFC; UsageError where it is not one file name."""
    fault = title_fault(title)
    if fault:
        raise UsageError("title_invalid", f"the title {title!r} {fault}", "give one that is a file name")
    return normal(title)


def template_fault(template: str) -> str | None:
    """What keeps ``template`` from being filled in, or None."""
    for match in _FIELD.finditer(template):
        if match.group(1) in ("content", "style", "vary"):
            continue
        if match.group() not in ("{{", "}}"):
            known = "only {content}, {style} and {vary} are known; a brace itself is written twice"
            return f"holds {match.group()[:40]} where {known}"
    return None


def fill_template(template: str, *, content: str, style: str, vary: str = "") -> str:
    """``template`` with ``{content}``, ``{style}`` and ``{vary}`` filled in, ``{{`` and ``}}`` being braces; in NFC.

    Raises ValueError on any other field.
    """
    fault = template_fault(template)
    if fault:
        raise ValueError(f"the title {template!r} {fault}")
    words = {"{content}": content, "{style}": style, "{vary}": vary, "{{": "{", "}}": "}"}
    return normal(_FIELD.sub(lambda match: words[match.group()], template))


def is_template(title: str) -> bool:
    """Whether ``title`` names the content, the style or what is varied."""
    return any(match.group(1) is not None for match in _FIELD.finditer(title))


def has_field(template: str, name: str) -> bool:
    """Whether ``template`` names the field ``name``."""
    return any(match.group(1) == name for match in _FIELD.finditer(template))


def with_content(template: str, content: str) -> str:
    """``template`` with ``{content}`` filled in, and every other field left as it stands."""
    word = content.replace("{", "{{").replace("}", "}}")
    return _FIELD.sub(lambda match: word if match.group() == "{content}" else match.group(), template)


def portable(name: str) -> str:
    """``name`` as every file system takes it: what some keep for themselves is ``_``."""
    fit = "".join("_" if char in FORBIDDEN or unfit(char) else char for char in name)
    return fit if fit == fit.rstrip(" .") else f"{fit}_"


def fitting_title(name: str) -> str:
    """``name`` made such that it can be a title: what may not stand in one is ``_``."""
    fit = "".join("_" if char in FORBIDDEN or unfit(char) else char for char in normal(name)).strip(" .")
    fit = fit.encode()[: MAX_TITLE_BYTES // 2].decode(errors="ignore").strip(" .") or "photograph"
    return "photograph" if title_fault(fit) else fit


def unique_name(name: str, taken: Collection[str] | Callable[[str], bool]) -> str:
    """``name``, or with ``-2``, ``-3`` … the first that is not taken.

    ``taken`` is names in any case, or a function that says whether a name is. The number comes on top of the
    200 bytes of a title, so that the title always stands whole before it; a file name may have 255.
    """
    if callable(taken):
        is_taken = taken
    else:
        folded = {fold(other) for other in taken}

        def is_taken(candidate: str) -> bool:
            return fold(candidate) in folded

    candidate, number = name, 2
    while is_taken(candidate):
        candidate, number = f"{name}-{number}", number + 1
    return candidate


def output_fault(output: str) -> str | None:
    """What keeps ``output`` from being a folder below the outbox ("" and "." are the outbox), or None."""
    if output.startswith("/"):
        return "is absolute; it is a folder below the outbox"
    if len(output.encode("utf-8", "surrogatepass")) > 1000:
        return "is longer than 1,000 bytes"
    parts = output_parts(output)
    if ".." in parts:
        return "leaves the outbox by '..'"
    if parts and fold(parts[0]) in RESERVED:
        return f"begins with {normal(parts[0])}, which the outbox keeps for itself"
    for part in parts:
        fault = title_fault(part)
        if fault:
            return f"has a part that {fault}"
    return None


def output_parts(output: str) -> tuple[str, ...]:
    """The folders of ``output``, outermost first, in NFC."""
    return tuple(normal(part) for part in output.split("/") if part not in ("", "."))


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sorts as people count: img2 before img10, case ignored; the name itself settles ties."""
    pieces = tuple(
        (0, int(piece), "") if piece.isascii() and piece.isdigit() else (1, 0, piece)
        for piece in _DIGITS.split(fold(name).replace("/", "\0"))
        if piece
    )
    return pieces, name


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is a copy under way, hidden, a bin or a system's own: never an input."""
    lower = name.lower()
    return lower.startswith(_TEMPORARY_PREFIXES) or lower.endswith(_TEMPORARY_SUFFIXES) or lower in _TEMPORARY_NAMES


def suffix(name: str) -> str:
    """The last suffix in lower case with its dot, or ""."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def stem(name: str) -> str:
    """The last part of a path without its suffix."""
    last = name.rsplit("/", 1)[-1]
    dot = last.rfind(".")
    return last[:dot] if dot > 0 else last


def is_unread_image(name: str) -> bool:
    """Whether people keep files of such a name among their images though they are not read here."""
    return bool(_NOT_READ.fullmatch(suffix(name))) and not is_temporary(name)


def is_image(name: str) -> bool:
    """Whether a glob may match a file of this name."""
    return suffix(name) in IMAGE_SUFFIXES and not is_temporary(name)


def _is_conflict(name: str) -> bool:
    return bool(_CONFLICT.search(normal(name)))


def is_sidecar(name: str) -> bool:
    """Whether a file of this name is a sidecar; those that speak for a folder are none."""
    return suffix(name) in SIDECAR_SUFFIXES and not (
        is_temporary(name) or _is_conflict(name) or is_special(name) or not is_text(name)
    )


def is_hot(path: str) -> bool:
    """Whether a file of this name speaks for every photograph of its folder."""
    return fold(path.rpartition("/")[2]) in HOT_NAMES


def is_special(path: str) -> bool:
    """Whether a file of this name speaks for its folder: for the photographs in it, or for the sidecars below it."""
    return is_hot(path) or fold(path.rpartition("/")[2]) in DEFAULTS_NAMES


def passed_over(name: str, kind: str = "file") -> str:
    """Why what looks meant as a sidecar is not taken for one, and what to do; "" for all else.

    ``kind`` says what lies there, as :data:`nst_batch.beneath.Kind`. A link is taken, and fails.
    """
    if is_temporary(name):
        return ""
    if kind in ("folder", "other"):
        what = f"it is {WHAT_IS_NO_FILE[kind]}: put a file there, or give it another name"
        return what if is_sidecar(name) else ""
    if suffix(name) in SIDECAR_SUFFIXES and not is_text(name):
        return "its name is not UTF-8: rename it"
    if suffix(name) == ".txt" and is_sidecar(name[:-4]):
        return f"it ends with .txt, which the file manager may hide: rename it to {name[:-4]}"
    if suffix(name) in SIDECAR_SUFFIXES and not (is_sidecar(name) or is_special(name)):
        return "it is another version of a sidecar, kept by a program that synchronises: rename it, or remove it"
    return ""
