"""Process kinship on Linux: dying with one's parent, adopting orphans, and finding and killing them. On other systems these
do nothing, and a process group is all that holds a handler's processes together."""

import ctypes
import os
import signal
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that forked it ends (prctl(2), PR_SET_PDEATHSIG)."""
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died before the call


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> list[int]:
    """This process's children, zombies included."""
    if not LINUX:
        return []
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return _children_by_scan()


def _children_by_scan() -> list[int]:
    # Kernels without CONFIG_PROC_CHILDREN.
    own, found = os.getpid(), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, IndexError, ValueError), open(f"/proc/{name}/stat", "rb") as file:
            if int(file.read().rpartition(b")")[2].split()[1]) == own:
                found.append(int(name))
    return found


def kill_orphans(known: set[int]) -> int:
    """Kill and reap every child of this process that is not `known`, and what they leave behind; gives how many."""
    killed = 0
    while strays := [pid for pid in children() if pid not in known]:
        for pid in strays:
            kill_group(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
            killed += 1
    return killed


def kill_group(pid: int, signum: int = signal.SIGKILL) -> None:
    """Signal the process group that a process leads, if it leads one."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signum)
