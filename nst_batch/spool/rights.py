"""What the user of the daemon may read and take away, as another user can tell it: by the modes of files."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from nst_batch.config.load import Config
from nst_batch.names import group_called, typed, user_called
from nst_batch.spool.told import daemons_uid

_ACL = "system.posix_acl_access"
_READ, _TAKE = 0o4, 0o3


class DaemonsRights:
    """Those of the user whose daemon has the queue; of who asks where there is none yet."""

    def __init__(self, config: Config) -> None:
        self._inbox = config.inbox
        self._uid = daemons_uid(config)
        if self._uid is None and self._inbox.is_dir():
            self._uid = os.geteuid()
        self._groups: set[int] = set()
        if self._uid:
            self._group = self._inbox.stat().st_gid
            self._groups.add(self._group)
            try:
                user = pwd.getpwuid(self._uid)
                self._groups.update(os.getgrouplist(user.pw_name, user.pw_gid))
            except KeyError:
                pass  # a number alone: of the inbox's group, as far as anybody knows

    def hindrances(self, sidecar: str, images: Iterable[str]) -> Iterator[str]:
        """What a sidecar in the inbox, with these images in it, waits for."""
        if not self._uid:
            return
        folder = sidecar.rpartition("/")[0]
        if not self._may(self._inbox / folder, _TAKE):
            which = typed(folder or str(self._inbox))
            yield f"{self._who} take files out of {folder or 'the inbox'}: {self._how} g+rwx {which}"
        elif self._is_kept(sidecar, folder):
            yield f"{self._who} take others' files out of {folder}, which is sticky: chmod -t {typed(folder)}"
        for path in (sidecar, *images):
            yield from self.unread(path)

    def unread(self, path: str) -> Iterator[str]:
        """What a file of the inbox's waits for."""
        if self._uid and not self._may(self._inbox / path, _READ):
            yield f"{self._who} read {path.rpartition('/')[2]}: {self._how} g+r {typed(path)}"

    @property
    def _who(self) -> str:
        return f"it waits while {user_called(self._uid or 0)}, the daemon's user, may not"

    @property
    def _how(self) -> str:
        return f"chgrp {group_called(self._group)} and chmod"

    def _is_kept(self, sidecar: str, folder: str) -> bool:
        """Whether its folder is one that lets nobody but a file's owner, and its own, move it."""
        try:
            above, status = (self._inbox / folder).stat(), (self._inbox / sidecar).lstat()
        except OSError:
            return False
        return bool(above.st_mode & stat.S_ISVTX) and self._uid not in (above.st_uid, status.st_uid)

    def _may(self, path: Path, rights: int) -> bool:
        """Whether the mode lets it; what a list of rights lets one user or group do is not gone into."""
        try:
            status = path.lstat()
            acl = os.listxattr(path, follow_symlinks=False)
        except OSError:
            return True
        if status.st_uid == self._uid:
            shift = 6
        elif status.st_gid in self._groups:
            shift = 3
        elif _ACL in acl:
            return True
        else:
            shift = 0
        return stat.S_IMODE(status.st_mode) >> shift & rights == rights
