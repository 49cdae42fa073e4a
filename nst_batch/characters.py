"""Characters that nobody sees: which of them a name may hold, what they are called, how a message shows them.

People's own machines put narrow spaces, joiners and soft hyphens into names, and those are letters like others. What
breaks a line, commands a terminal or turns text around is not.
"""

from __future__ import annotations

import re
import unicodedata

# Embeddings, overrides and isolates with their ends (Unicode Standard Annex 9): text after them reads backwards.
# Marks such as U+200E turn nothing and stand in many Arabic and Hebrew names.
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

_UNFIT = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{TURNING}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
ODD_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_SPACES = re.compile(f"[{ODD_SPACES}]")
# Letters of Cyrillic and Greek that look like plain ones, as another keyboard puts them into a word.
_LOOKALIKES = str.maketrans(
    "АВЕКМНОРСТУХІЈЅаеорсухіјѕһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧονϲ",
    "ABEKMHOPCTYXIJSaeopcyxijshdqwABEZHIKMNOPTYXovc",
)
_WORD = re.compile(r"[^\W\d_]+")


def unfit(text: str) -> str:
    """What a name may not hold, if ``text`` holds it: ``a control character (U+001B)``; "" for none."""
    found = _UNFIT.search(text)
    if not found:
        return ""
    kind = "a character that turns text around" if found[0] in TURNING else "a control character"
    return f"{kind} ({called(found[0])})"


def called(char: str) -> str:
    """``U+202F narrow no-break space``."""
    name = unicodedata.name(char, "").lower()
    return f"U+{ord(char):04X} {name}".rstrip()


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8; one that is not could stand in no sidecar, log or job.json."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def visible(text: str) -> str:
    r"""``text`` on one line of a terminal or a log: what could break it or command it is written as ``\x1b``.

    A byte of a file name that is not UTF-8 (a lone surrogate, in Python) is written as that byte.
    """
    return text if text.isascii() and text.isprintable() else _UNFIT.sub(_written, text)


def visible_lines(text: str) -> str:
    """As :func:`visible`, each line of ``text`` for itself."""
    return "\n".join(visible(line.rstrip("\r")) for line in text.split("\n"))


def _written(found: re.Match[str]) -> str:
    if found[0] in _SHORT:
        return _SHORT[found[0]]
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def loose(name: str) -> str:
    """``name`` with every kind of space a plain one and its letters composed: two of these look the same."""
    return name if name.isascii() else unicodedata.normalize("NFC", _SPACES.sub(" ", name))


def latin(text: str) -> str:
    """``text`` with plain letters for those of other scripts that look the same."""
    return text if text.isascii() else text.translate(_LOOKALIKES)


def lookalikes(text: str) -> str:
    """The letters that :func:`latin` changes, called by their names; "" for none."""
    return ", ".join(called(char) for char in dict.fromkeys(text) if ord(char) in _LOOKALIKES)


def told(name: str, typed: str = "") -> str:
    """``name`` for a message, what nobody could see in it named: ``a b.png (with U+202F narrow no-break space)``.

    Also of letters that only look plain, where they stand in a word with plain ones or differ from what was ``typed``.
    A name that begins or ends with a space stands in quotes.
    """
    mixed = {char for word in _WORD.findall(name) if re.search("[A-Za-z]", word) for char in word}
    hidden = [
        char
        for char in dict.fromkeys(name)
        if _SPACES.match(char)
        or unicodedata.category(char) == "Cf"
        or (ord(char) in _LOOKALIKES and (char in mixed or (typed and char not in typed)))
    ]
    with_what = f" (with {', '.join(map(called, hidden[:3]))})" if hidden else ""
    shown = visible(name)
    return (shown if shown == shown.strip() else f'"{shown}"') + with_what
