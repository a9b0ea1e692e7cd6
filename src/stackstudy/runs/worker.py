"""One experiment in a process of its own: ``python -m stackstudy.runs.worker NOTEBOOK RUN_FOLDER``.

Reads ``params.yaml`` of the run folder and leaves the executed ``notebook.ipynb`` there. The last line of its
output is the error, if there is one.
"""

import logging
import os
import re
import sys
from pathlib import Path

from stackstudy.runs.kernel import kernel_manager
from stackstudy.runs.processes import PARENT, die_with_parent

NOT_STARTED = 75  # exit code, EX_TEMPFAIL of sysexits.h: no line of the notebook has run, another try may help
KERNEL_SECONDS = 180  # for a kernel to answer, on a machine that is busy
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def execute(notebook: Path, folder: Path) -> int:
    """Execute `notebook` with the parameters of `folder`; return 0, 1 after an error in a cell, or NOT_STARTED."""
    manager = kernel_manager()
    import papermill
    from nbclient.exceptions import DeadKernelError

    from stackstudy.runs.yaml_files import read_yaml

    try:
        papermill.execute_notebook(
            notebook,
            folder / "notebook.ipynb",
            parameters=read_yaml(folder / "params.yaml"),
            kernel_name="python3",
            kernel_manager_class=manager,
            start_timeout=KERNEL_SECONDS,
            progress_bar=False,
            log_output=True,
            cwd=notebook.parent,
        )
    except papermill.PapermillExecutionError as error:
        print(*(COLOURS.sub("", line) for line in error.traceback), sep="\n")
        print(one_line(f"{error.ename}: {error.evalue}"))
        return 1
    except DeadKernelError as error:
        print(one_line(f"{type(error).__name__}: {error}"))
        return 1
    except RuntimeError as error:  # so says jupyter_client when a kernel dies or is silent before its first answer
        print(one_line(f"the kernel did not start: {error}"))
        return NOT_STARTED
    return 0


def one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    die_with_parent(int(os.environ[PARENT]))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    sys.exit(execute(Path(sys.argv[1]), Path(sys.argv[2])))
