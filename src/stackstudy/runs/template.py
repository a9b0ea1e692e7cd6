"""A process that has imported the libraries of a notebook, and splits off programs that need not do it again.

Importing them takes seconds, which short experiments would mostly consist of. The template imports what a job says,
forgets the modules of this package, as they may be edited while a batch runs, and forks; the new process then is
``python -m MODULE ARGUMENT...``. Forking needs Linux and a process that has not touched a GPU.
"""

import gc
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from stackstudy.runs.processes import PARENT, Forked, die_with_parent, kill_tree

PACKAGE = __package__.partition(".")[0]
# As a kernel would set it before it imports matplotlib: figures go into the notebook.
FOR_KERNELS = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}


class Request(NamedTuple):
    """A program to split off: a module with its arguments, its environment, a log, and imports to do before."""

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    imports: str


class Template:
    """The template as seen from the process that started it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start it with `environment`, of which libraries read some variables when they are imported."""
        self._connection, other = Pipe()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(other.fileno())],
                env={**environment, **FOR_KERNELS, PARENT: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                start_new_session=True,  # Ctrl-C reaches the runner alone
            )
        self._ended: dict[int, int] = {}

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def start(self, request: Request) -> Forked:
        """Split off a program. OSError: the template is gone."""
        try:
            self._connection.send(request)
            while isinstance(answer := self._connection.recv(), tuple):
                self._ended.update([answer])
        except EOFError:
            raise OSError(f"the process that imports libraries ended with {self._process.wait()}") from None
        return Forked(answer, self.returncode)

    def returncode(self, pid: int) -> int | None:
        """Return how a program ended, None if it runs; what the template takes with it is as good as killed."""
        try:
            while self._connection.poll():
                self._ended.update([self._connection.recv()])
        except (EOFError, OSError):
            return self._ended.get(pid, -signal.SIGKILL)
        return self._ended.get(pid)

    def close(self) -> None:
        kill_tree(self._process.pid)
        self._process.wait()
        self._connection.close()


def serve(connection: Connection) -> Request:
    """Split off what is asked for, and return its request in the new process; the template never returns.

    Answers are the process number of a new program, and ``(process number, exit code)`` of one that ended.
    """
    template = os.getpid()
    while True:
        if connection.poll(0.05):
            request = connection.recv()
            _import(request.imports)
            if (pid := os.fork()) == 0:
                connection.close()
                die_with_parent(template)
                return request
            connection.send(pid)
        with suppress(ChildProcessError):  # there are none
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                connection.send((ended[0], os.waitstatus_to_exitcode(ended[1])))


def _import(statements: str) -> None:
    """Import libraries. What fails here fails in the notebook too, which says so."""
    gc.disable()
    with suppress(Exception):
        exec(statements, {})
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    # Nothing of the libraries is ever garbage: to look for it takes seconds, most of all when a process ends.
    gc.freeze()
    gc.enable()


def _become(request: Request) -> None:
    """Be the program that was asked for."""
    os.environ.clear()
    os.environ.update({**request.environment, PARENT: str(os.getppid())})
    log = os.open(request.log, os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.argv[1:] = request.arguments
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    die_with_parent(int(os.environ[PARENT]))
    import ipykernel.kernelapp  # noqa: F401 - what the workers themselves are made of
    import papermill  # noqa: F401

    with suppress(EOFError):  # the runner is gone, and so must this be
        _become(serve(Connection(int(sys.argv[1]))))
