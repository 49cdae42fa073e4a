"""Checks of where files lie: folders and their rights, file systems, free space, and the kernel's watches."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nst_batch.beneath import folders_below
from nst_batch.config.load import Config
from nst_batch.doctor.check import Check, Machine
from nst_batch.names import typed
from nst_batch.spool.disk.attach import joining, no_folder
from nst_batch.spool.disk.mounts import mount_at
from nst_batch.spool.inbox.polling import is_network

GB = 1e9
REFLINK_TYPES = frozenset({"bcachefs", "btrfs", "ocfs2", "xfs"})
WITHOUT_RIGHTS = frozenset({"9p", "drvfs", "exfat", "fuseblk", "hfsplus", "msdos", "ntfs", "ntfs3", "vfat"})
FEW_WATCHES = 8192  # the default of old kernels, used up by a desktop's other programs
_MANY_FOLDERS = 100_000


def folder(name: str, path: Path, *, write: bool) -> Check:
    """Whether a folder is there, or can be made, with the rights that are needed."""
    if what := no_folder(path):
        return Check(name, "bad", what, f"move it away, or name a folder as {name}: in config.yaml")
    if not path.exists():
        if not write:
            return Check(name, "bad", f"{path} is not there", "make it, or take it out of library: in config.yaml")
        parent = next(above for above in path.parents if above.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            return Check(name, "ok", f"{path} is not there yet; run makes it")
        return Check(name, "bad", f"{path} is not there and {parent} cannot be written", _rights(parent))
    rights = os.R_OK | os.X_OK | (os.W_OK if write else 0)
    if not os.access(path, rights):
        verb = "written" if os.access(path, os.R_OK | os.X_OK) else "read"
        return Check(name, "bad", f"{path} cannot be {verb} by this user", _rights(path))
    return Check(name, "ok", str(path))


def _rights(path: Path) -> str:
    return (
        joining(path)
        or f"give user {os.geteuid()} the right to: chown or chmod {typed(path)}; look at its mount for ro"
    )


def free_space(name: str, path: Path, least_gb: float) -> Check:
    """Free space on the folder's file system against ``min_free_gb`` (10⁹ bytes)."""
    free = shutil.disk_usage(existing(path)).free / GB
    what = f"{free:,.1f} GB free at {name}"
    if free < least_gb:
        advice = f"make room; no job starts below {least_gb:g} GB (limits: min_free_gb), the queue waits meanwhile"
        return Check("disk", "bad", what, advice)
    return Check("disk", "warn" if free < 2 * least_gb else "ok", what)


def file_systems(config: Config, machine: Machine) -> tuple[Check, ...]:
    """What the folders lie on: whether files can share blocks, and whether the kernel tells of changes."""
    mounts = machine.read("/proc/self/mountinfo")
    inbox, outbox = existing(config.inbox), existing(config.outbox)
    kinds = {name: file_system(path, mounts) for name, path in (("inbox", inbox), ("outbox", outbox))}
    if inbox.stat().st_dev != outbox.stat().st_dev:
        how = "two file systems: what goes from inbox to outbox is copied"
    elif kinds["inbox"] in REFLINK_TYPES:
        how = "one file system; copies share disk blocks where its settings allow"
    else:
        how = "one file system; copies take space of their own"
    named = " and ".join(dict.fromkeys(kind or "unknown" for kind in kinds.values()))
    checks = [Check("file systems", "ok", f"{named}: {how}")]
    if is_network(kinds["inbox"]):
        checks.append(_network(config, kinds["inbox"]))
    if kinds["inbox"] in WITHOUT_RIGHTS:
        what = f"{kinds['inbox']} keeps no rights of its own: whoever may write the inbox may change the daemon's state"
        advice = "put the inbox on ext4, xfs or btrfs; or mount it for the daemon's user alone (uid=, umask=0077)"
        checks.append(Check("rights", "warn", what, advice))
    return tuple(checks)


def _network(config: Config, kind: str) -> Check:
    what = f"the inbox lies on {kind}, where changes made elsewhere are not told"
    if config.watch.polling is False:
        advice = "set watch: polling: auto, or files are only found every rescan_seconds"
        return Check("watching", "warn", what, advice)
    return Check("watching", "ok", f"{what}: it is polled")


def watches(config: Config, machine: Machine) -> Check:
    """Whether the kernel has enough inotify watches, one a folder of the inbox, and instances."""
    raise_it = "sysctl -w fs.inotify.{0}=524288 and a line fs.inotify.{0}=524288 in /etc/sysctl.d/"
    if error := machine.inotify_error():
        what = f"no watch can be set up ({error}): the inbox is only looked at every rescan_seconds"
        return Check("watches", "warn", what, raise_it.format("max_user_instances").replace("524288", "1024"))
    text = machine.read("/proc/sys/fs/inotify/max_user_watches").strip()
    most = int(text) if text.isdigit() else 0
    needed = count_folders(config.inbox)
    what = f"{most:,} inotify watches allowed, {needed:,} needed (one a folder of the inbox)"
    if most <= 2 * needed or most < FEW_WATCHES:
        return Check("watches", "warn", what, raise_it.format("max_user_watches"))
    return Check("watches", "ok", what)


def count_folders(path: Path) -> int:
    """Folders from ``path`` downward, itself among them, the daemon's own and other hidden ones left out."""
    count = 0
    for _, names, _ in folders_below(path):
        names[:] = [name for name in names if not name.startswith(".")]
        count += 1
        if count >= _MANY_FOLDERS:
            break
    return count


def file_system(path: Path, mounts: str) -> str:
    """The type of file system that ``path`` lies on, by the text of /proc/self/mountinfo; "" if unknown."""
    return mount_at(Path(os.path.realpath(path)), mounts).kind


def existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())
