"""A list of mounts in, what kind of folder lies there out: watched how, or not at all; pure."""

from __future__ import annotations

import re
from typing import Literal

Events = Literal["reported", "unsure", "none"]

# What another machine or the host changes there is seen by nobody here.
_NONE = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "fakeowner", "gfs2",
    "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb2",
    "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs", "wekafs",
})  # fmt: skip
# Layers over other folders: what is changed below them is not reported, what goes through is.
_UNSURE = frozenset({"overlay", "aufs", "unionfs", "mergerfs", "ecryptfs", "fuse-overlayfs"})
# What the kernel makes up: no documents, files without end, secrets of other programs.
_MADE_UP = frozenset({
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts",
    "devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore",
    "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs",
})  # fmt: skip


def is_made_up(folder: str, mounts: str) -> bool:
    """Tell whether a folder holds what the kernel makes up, such as /proc; arguments as below."""
    # In containers /dev is a tmpfs, as other folders are too.
    return _kind_of(folder, mounts) in _MADE_UP or _holds("/dev", folder)


def events_of(folder: str, mounts: str) -> Events:
    """Tell whether the system reports the changes in a folder.

    Args:
        folder: absolute and free of links.
        mounts: what /proc/mounts says; empty where there is none.
    Source: fstab(5) for the fields and their octal escapes.
    """
    kind = _kind_of(folder, mounts)
    if kind.startswith("fuse.") and kind.removeprefix("fuse.") in _UNSURE:
        return "unsure"
    if kind in _NONE or kind == "fuse" or kind.startswith("fuse."):
        return "none"
    return "unsure" if kind in _UNSURE else "reported"


def _kind_of(folder: str, mounts: str) -> str:
    kind, longest = "", -1
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[1])
        # The last of several mounts at one place hides the others.
        if _holds(place, folder) and len(place) >= longest:
            kind, longest = fields[2], len(place)
    return kind


def _holds(place: str, folder: str) -> bool:
    return folder == place or folder.startswith(place.rstrip("/") + "/")
