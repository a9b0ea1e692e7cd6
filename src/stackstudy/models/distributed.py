"""One training in several processes, a device each: what starts them, and how they divide a batch.

Lightning's DDP averages their gradients. It finds here the environment that torchrun would have made, since it cannot
start processes of its own out of a notebook.
"""

import os
import socket
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, multiprocessing

from stackstudy.runs.environment import available_cores
from stackstudy.runs.processes import die_with_parent


def spawn(function: Callable[..., None], processes: int, *arguments: Any) -> None:
    """Call ``function(rank, *arguments)`` in `processes` processes; the arguments are pickled, tensors are shared.

    torch.multiprocessing.ProcessRaisedException: one failed, and the others were ended.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_begin, (processes, port, os.getpid(), function, arguments), nprocs=processes)


def share(rows: Tensor, rank: int, processes: int) -> Tensor:
    """Return the part of a batch of `rows` (b,) that belongs to a process: every row to one, each at least one."""
    return rows[rank::processes]


def weight(part: Tensor, batch: Tensor, processes: int) -> float:
    """Return what the mean loss of a part counts, so that the mean over processes is that of the whole batch."""
    return len(part) * processes / len(batch)


def _begin(rank: int, processes: int, port: int, parent: int, function: Callable[..., None], arguments: tuple) -> None:
    die_with_parent(parent)
    torch.set_num_threads(max(1, available_cores() // processes))
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "GROUP_RANK": 0}
    place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "stackstudy"}
    os.environ |= {name: str(value) for name, value in place.items()}
    function(rank, *arguments)
