"""On which file system a path lies, for stores that cannot live on a network."""

import os

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre"}
)


def network_file_system(path: str) -> str:
    """The type of the network file system (FUSE counts as one) that holds a path, empty when it is a local one."""
    kind = file_system(path)
    return kind if kind in NETWORK_FILE_SYSTEMS or kind.startswith("fuse.") else ""


def file_system(path: str, mounts: str = "/proc/self/mountinfo") -> str:
    """The type of the file system that holds a path, empty where the system does not tell."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.readlines()
    except OSError:
        return ""
    folder, best, kind = os.path.realpath(path) + "/", "", ""
    for line in lines:
        head, _, tail = line.partition(" - ")
        point = _unescaped(head.split(" ")[4]).rstrip("/") + "/"
        # Later lines cover earlier ones at the same place.
        if folder.startswith(point) and len(point) >= len(best):
            best, kind = point, tail.split(" ")[0]
    return kind


def _unescaped(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
