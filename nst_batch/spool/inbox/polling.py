"""Whether an inbox is listed every few seconds, because nothing tells of what others write there."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nst_batch.spool.disk.mounts import mount_now

POLLED_RESCAN_SECONDS = 10.0
_TYPES = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "vboxsf", "afs", "ceph", "glusterfs", "lustre", "beegfs", "virtiofs")
)
_PREFIXES = ("fuse", "prl_fs", "vmhgfs")


def needs_polling(path: Path, polling: bool | Literal["auto"]) -> bool:
    """Whether changes there must be looked for: by config, or by the file system's type."""
    return is_network(mount_now(path).kind) if polling == "auto" else polling


def is_network(kind: str) -> bool:
    """Whether the kernel hears nothing of what others change on a file system of this type."""
    return kind in _TYPES or kind.startswith(_PREFIXES)
