"""The config for the commands that watch and steer: what is wrong with it does not blind them while a daemon runs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nst_batch.cli.terminal import say
from nst_batch.config.load import Config, find_config, load_config
from nst_batch.config.salvage import salvaged
from nst_batch.errors import NstError
from nst_batch.filenames import STATE_NAME
from nst_batch.spool.disk.attach import refuse_closed, refuse_no_folders
from nst_batch.spool.told import places_of, told_by_daemon

OF_A_FILE = ("config_invalid", "config_too_large")


class Watched(NamedTuple):
    """A config, and in one line what is wrong with the file where the running daemon goes by an earlier one."""

    config: Config
    fault: str = ""


def watched_config(named: Path | None) -> Watched:
    """The config, or where the file has a mistake as much of it as leads to the daemon that runs on an earlier one.

    Raises what :func:`load_config` does where none runs.
    """
    try:
        return Watched(load_config(named))
    except NstError as error:
        path = find_config(named) if error.code in OF_A_FILE else None
        config = None if path is None else salvaged(path)
        if config is None:
            raise
        held_by, facts = told_by_daemon(config, STATE_NAME)
        if held_by is None:
            raise
        if outbox := facts.get("outbox"):
            config = config.model_copy(update={"outbox": Path(outbox)})
        first, *more = error.message.splitlines()
        fault = f"{first}{f' (and {len(more)} more)' if more else ''}; the daemon goes on with what it has read before"
        return Watched(config, f"{fault}; nst-batch check says it all")


def steering_config(named: Path | None) -> Config:
    """As :func:`watched_config`; what is wrong is said beside the result. SetupError where a folder is none.

    NotNowError where the inbox is closed to who asks.
    """
    config, fault = watched_config(named)
    if fault:
        say(f"nst-batch: {fault}", error=True)
    refuse_no_folders(places_of(config))
    refuse_closed(config.inbox)
    return config
