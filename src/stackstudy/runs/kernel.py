"""The kernel of a worker: of its interpreter, whatever kernels this user has installed, and gone when it is gone."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from stackstudy.runs.processes import FORKS, Forked, die_with_parent

COMMAND = """
import os
from stackstudy.runs.processes import die_with_parent
die_with_parent(int(os.environ["JPY_PARENT_PID"]))
from ipykernel.kernelapp import launch_new_instance
launch_new_instance()
"""


def kernel_manager() -> type:
    """Return the class that starts the kernel. Call it first: it forks a process that is to be the kernel.

    That one has what is imported so far, and no thread and no lock that others hold. Where forking is not safe, a
    command starts the kernel.
    """
    waiting = _Waiting.fork() if FORKS else None

    from jupyter_client.manager import AsyncKernelManager
    from jupyter_client.provisioning import LocalProvisioner

    class Command(AsyncKernelManager):
        def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
            return [sys.executable, "-c", COMMAND, "-f", self.connection_file, *(extra_arguments or [])]

    class Provisioner(LocalProvisioner):
        async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
            waiting.begin(self.parent.connection_file, options.get("cwd") or Path.cwd(), options["env"])
            self.process = waiting
            self.pid = self.pgid = waiting.pid
            return self.connection_info

    class Prepared(Command):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.provisioner = Provisioner(kernel_spec=self.kernel_spec, parent=self)

    return Prepared if waiting else Command


class _Waiting(Forked):
    """A process that is to be a kernel."""

    def __init__(self, pid: int, orders: int) -> None:
        super().__init__(pid, _exit_code)
        self._orders = orders

    @classmethod
    def fork(cls) -> "_Waiting":
        worker = os.getpid()
        orders, ours = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(ours)
            die_with_parent(worker)
            _be_kernel(orders)
        os.close(orders)
        os.setpgid(pid, pid)
        return cls(pid, ours)

    def begin(self, connection_file: str, folder: str | Path, environment: dict[str, str]) -> None:
        # When it is gone already, `poll` says so.
        with suppress(BrokenPipeError), os.fdopen(self._orders, "w", encoding="utf-8") as orders:
            json.dump([connection_file, str(folder), environment], orders)


def _exit_code(child: int) -> int | None:
    pid, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def _be_kernel(orders: int) -> None:
    with os.fdopen(orders, encoding="utf-8") as told:
        text = told.read()
    if text:
        connection_file, folder, environment = json.loads(text)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)

        from ipykernel.kernelapp import launch_new_instance

        # Its default was taken from the environment when ipykernel was imported.
        launch_new_instance(argv=["-f", connection_file, f"--IPKernelApp.parent_handle={os.getppid()}"])
    sys.exit()
