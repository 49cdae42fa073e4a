"""config.yaml read again while the daemon works: what is passed on, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable

from nst_batch.config.load import Config
from nst_batch.errors import NstError

# The keys that only a restart changes.
AT_START = ("inbox", "outbox", "weights", "device", "executor", "slurm", "watch.polling")


class Reloader:
    """The config that counts. ``read`` gives the file's as it is now, ``pass_on`` makes all the daemon go by it."""

    def __init__(self, config: Config, read: Callable[[], Config], pass_on: Callable[[Config], object]) -> None:
        self._config = config
        self._read = read
        self._pass_on = pass_on
        self.fault = ""  # what is wrong with the file, where the last reading failed

    def reload(self) -> str:
        """Read it again; what is to be told. A file with a mistake changes nothing."""
        try:
            found = self._read()
        except NstError as error:
            self.fault = f"config not read again, the old one stays: {error.in_one_line}".replace("\n", "; ")
            return self.fault
        self.fault = ""
        differ = [key for key in AT_START if _value(found, key) != _value(self._config, key)]
        kept = {key: getattr(self._config, key) for key in AT_START if "." not in key}
        watch = found.watch.model_copy(update={"polling": self._config.watch.polling})
        self._config = found.model_copy(update={**kept, "watch": watch})
        self._pass_on(self._config)
        restart = f"; only a restart changes {', '.join(differ)}" if differ else ""
        return f"config read again; it counts from now on{restart}"


def _value(config: Config, key: str) -> object:
    value: object = config
    for part in key.split("."):
        value = getattr(value, part)
    return value
