"""Functions called in processes of their own, several of them connected over gloo as torchrun would start them.

They are forked from a server that has imported torch already.
"""

import io
import os
import socket
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import torch

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["multipl_moe.train.trainer"])
_TIMEOUT_S = 300


def start_processes(
    function: Callable[..., None], arguments: Sequence[tuple[Any, ...]], *, connected: bool = False
) -> Sequence[BaseProcess]:
    """Processes that call a function of a module, each with its own arguments, started; one is alone unless asked."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    count = len(arguments)
    processes = []
    for rank, values in enumerate(arguments):
        names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port, "MASTER_ADDR": "127.0.0.1"}
        environment = names if connected or count > 1 else {}
        processes.append(_CONTEXT.Process(target=_call, args=(environment, function, values)))
    for process in processes:
        process.start()
    return processes


def run_processes(function: Callable[..., Any], *args: Any, num_processes: int = 2) -> list[Any]:
    """What `function(*args)` returns in each of the processes, in the order of their ranks; fails if one fails."""
    pipes = [_CONTEXT.Pipe(duplex=False) for _ in range(num_processes)]
    processes = start_processes(_send, [(sender, function, args) for _, sender in pipes], connected=True)
    for _, sender in pipes:
        sender.close()
    try:
        return [_receive(receiver, rank) for rank, (receiver, _) in enumerate(pipes)]
    finally:
        for process in processes:
            process.join(5)
            process.kill()


def _call(environment: dict[str, Any], function: Callable[..., None], args: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    os.environ.update({name: str(value) for name, value in environment.items()})
    function(*args)


def _send(sender: Connection, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    result = io.BytesIO()
    torch.save(function(*args), result)
    sender.send_bytes(result.getvalue())


def _receive(receiver: Connection, rank: int) -> Any:
    assert receiver.poll(_TIMEOUT_S), f"rank {rank} does not answer"
    try:
        return torch.load(io.BytesIO(receiver.recv_bytes()), weights_only=False)
    except EOFError:
        raise AssertionError(f"rank {rank} failed; see its traceback in stderr") from None
