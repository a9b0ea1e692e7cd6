"""No process outlives the one that started it, and one call ends a process with all that it started."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

PARENT = "STACKSTUDY_PARENT_PID"  # the variable that tells a program which process it must not outlive
PR_SET_PDEATHSIG = 1  # prctl(2)
FORKS = sys.platform == "linux"  # elsewhere, a process that has imported libraries cannot safely be forked


class Forked:
    """A process that was forked and not started by a command: what callers need of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, ask: Callable[[int], int | None]) -> None:
        """Take its number, and a function that returns the exit code of a process, None while that is running."""
        self.pid, self._ask = pid, ask
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._ask(self.pid)
        return self.returncode

    def wait(self) -> int:
        while (code := self.poll()) is None:
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def die_with_parent(parent: int) -> None:
    """Let this process end as soon as `parent`, the process that started it, is gone, however that ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before the line above
            os._exit(1)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def kill_tree(pid: int) -> None:
    """Kill a process and everything below it, also what moved to another process group (as kernels do)."""
    import psutil

    try:
        top = psutil.Process(pid)
        family = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def memory_of_tree(pid: int) -> int:
    """Return the memory of a process and everything below it, in bytes; 0 when it is gone.

    Where the system tells them apart, mapped files do not count: the embedding stores are some, and give way.
    """
    import psutil

    total = 0
    try:
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            memory = process.memory_info()
            total += memory.rss - getattr(memory, "shared", 0)
    except psutil.NoSuchProcess:
        pass
    return total


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
