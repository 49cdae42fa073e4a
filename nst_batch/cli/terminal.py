"""What the commands share: how lines, tables and pairs are shown to a person."""

from __future__ import annotations

import argparse
import bisect
import contextlib
import itertools
import logging
import os
import select
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nst_batch.characters import visible, visible_lines
from nst_batch.cli.streams import output_refused
from nst_batch.clock import duration
from nst_batch.report.markup import columns_of

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

HOME = "\x1b[H"  # ECMA-48: CUP
ERASE_LINE, ERASE_BELOW = "\x1b[K", "\x1b[J"  # from the cursor on (EL, ED)

AddCommand = Callable[..., argparse.ArgumentParser]  # argparse's ``add_parser``, with what every command takes


def say(*lines: str, error: bool = False) -> None:
    """Print a line, or several at once, as a result or (``error``) beside it; what could command the terminal is shown.

    Everything that the program prints goes through here, for names and texts of other people are in most of it.
    """
    print("\n".join(map(visible, lines)), file=sys.stderr if error else sys.stdout, flush=True)


def say_lines(text: str, *, error: bool = False) -> None:
    """As :func:`say`, for a text of several lines."""
    say(*text.rstrip("\n").split("\n"), error=error)


def say_set_in(line: str, indent: int) -> None:
    """As :func:`say`; on a terminal that is too narrow for it broken between words, the further lines set in."""
    width = screen_columns()
    say(*([line] if width is None else broken(visible(line), width, "", " " * indent)))


class Screen:
    """What is shown again and again: in the place of what was shown before on a terminal, below it elsewhere.

    What the terminal showed before the first one is scrolled up, so that it can be looked at still.
    """

    def __init__(self) -> None:
        self._is_begun = False

    def show(self, lines: Sequence[str], whole: str) -> None:
        """Show lines from the first on, as many as there is room for; ``whole`` is the command that shows them all."""
        size = screen_size() if sys.stdout.isatty() else None
        if size is not None and size.lines:
            lines = cut_to(lines, size, whole)
            above = "" if self._is_begun else "\n" * size.lines
            self._is_begun = True
            sys.stdout.write(f"{above}{HOME}{ERASE_BELOW}")
        say(*lines)


def cut_to(lines: Sequence[str], size: os.terminal_size, whole: str) -> list[str]:
    """The first lines that a terminal has room for, and how many more there are; its last row is the cursor's.

    A line that is wider than the terminal takes several rows.
    """
    room, shown = max(size.lines - 1, 2), list(map(visible, lines))
    ends = list(itertools.accumulate(max(1, -(-columns_of(line) // size.columns)) for line in shown))
    if not ends or ends[-1] <= room:
        return shown
    fit = bisect.bisect_right(ends, room - 1)
    return [*shown[:fit], f"… and {plural(len(shown) - fit, 'more line')}: {whole}"]


def reader_stays(seconds: float) -> bool:
    """Wait; False as soon as nobody reads standard output any more: `nst-batch status --watch | head`."""
    if output_refused():
        return False
    try:
        poller = select.poll()
        poller.register(sys.stdout.fileno(), 0)  # errors and hang-ups come unasked
        return not poller.poll(seconds * 1000)
    except (OSError, ValueError):  # none that could be asked
        time.sleep(seconds)
        return True


class HelpLayout(argparse.HelpFormatter):
    """Paragraphs are as wide as the terminal is; indented lines, which are to be copied, stand as they are written."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = itertools.groupby(text.strip("\n").split("\n"), key=lambda line: line[:1] in ("", " "))
        lines: list[str] = []
        for is_as_written, block in blocks:
            lines += block if is_as_written else textwrap.wrap(" ".join(block), width)
        return "\n".join(indent + line for line in lines)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints, which hold what was typed, are made visible too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=HelpLayout, **options)

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """All that argparse prints comes by here."""
        say_lines(message, error=file is not sys.stdout)


class VisibleFormatter(logging.Formatter):
    """What libraries log, made visible."""

    def format(self, record: logging.LogRecord) -> str:
        """See :class:`logging.Formatter`."""
        return visible_lines(super().format(record))


def whereabouts(at: Mapping[str, Any], digits: int = 5) -> str:
    """``epoch 2/3 at 192 × 128, loss 5524.2, 44 s left``, of a running job's progress.

    The size is told where there are several scales: the loss of a larger picture is a larger number.
    """
    size = f" at {at['scale']}" if at["scale"] else ""
    return f"epoch {at['epoch']}/{at['epochs']}{size}, loss {at['total']:.{digits}g}, {duration(at['left'])} left"


def plural(count: int, noun: str) -> str:
    """``1 job``, ``3 jobs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def columns() -> int:
    """How many columns the terminal of standard error has; 80 where it does not say, or there is none."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return 80


def screen_columns() -> int | None:
    """How many columns standard output's terminal has; None where it is none, or does not say."""
    size = screen_size()
    return None if size is None else size.columns


def screen_size() -> os.terminal_size | None:
    """The columns and rows of standard output's terminal; None where it is none, or does not say."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        size = os.get_terminal_size(sys.stdout.fileno())
        return size if size.columns else None
    return None


def laid_out(head: str, parts: Sequence[str], width: int) -> list[str]:
    """A line, and below it each part by itself, set in, broken between words where it is wider than the terminal."""
    lines = [head]
    for part in parts:
        for line in visible_lines(part).split("\n"):
            lines += broken(line, width, "    ")
    return lines


def broken(line: str, width: int, indent: str = "", further: str = "  ") -> list[str]:
    """A line as several where it is wider than the terminal, broken between words; the further ones are set in."""
    return textwrap.wrap(
        line,
        max(width - 1, 40),
        initial_indent=indent,
        subsequent_indent=indent + further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def erase_rest() -> None:
    """Clear the line that the cursor is in, and what stands below: the ``^C`` that a terminal shows beside a bar."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{ERASE_BELOW}")
        sys.stderr.flush()


def room_for_bars() -> dict[str, Any]:
    """What tqdm is to be told of the terminal's size: nothing but to follow it, where the terminal knows it.

    One of no columns (`script`, some containers) would show no bar at all; it is taken for an ordinary one.
    """
    with contextlib.suppress(OSError):
        size = os.get_terminal_size(sys.stderr.fileno())
        if not (size.columns and size.lines):
            return {"ncols": 80, "nrows": 24}
    return {"dynamic_ncols": True}


@contextlib.contextmanager
def muted_libraries(*, unless: bool) -> Iterator[None]:
    """Keep what libraries write to file descriptor 2 while they load off a person's terminal.

    TensorFlow's first lines ignore its own log level, and tell nothing that could be acted on; what goes wrong comes
    as an exception, or with ``--debug`` (``unless``) in full.
    """
    if unless:
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)
