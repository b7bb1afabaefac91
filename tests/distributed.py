"""Functions called in several processes that torch.distributed connects over gloo, as torchrun would start them."""

import io
import os
import socket
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["multipl_moe.train.trainer"])
_TIMEOUT_S = 300


def run_processes(function: Callable[..., Any], *args: Any, num_processes: int = 2) -> list[Any]:
    """What `function(*args)` returns in each of the processes, in the order of their ranks; fails if one fails."""
    port = _free_port()
    pipes = [_CONTEXT.Pipe(duplex=False) for _ in range(num_processes)]
    processes = [
        _CONTEXT.Process(target=_call, args=(sender, rank, num_processes, port, function, args))
        for rank, (_, sender) in enumerate(pipes)
    ]
    for process, (_, sender) in zip(processes, pipes, strict=True):
        process.start()
        sender.close()
    try:
        return [_receive(receiver, rank) for rank, (receiver, _) in enumerate(pipes)]
    finally:
        for process in processes:
            process.join(5)
            process.kill()


def _receive(receiver: Connection, rank: int) -> Any:
    assert receiver.poll(_TIMEOUT_S), f"rank {rank} does not answer"
    try:
        return torch.load(io.BytesIO(receiver.recv_bytes()), weights_only=False)
    except EOFError:
        raise AssertionError(f"rank {rank} failed; see its traceback in stderr") from None


def _call(
    sender: Connection, rank: int, num_processes: int, port: int, function: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": num_processes, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in names.items()} | {"MASTER_ADDR": "127.0.0.1"})
    result = io.BytesIO()
    torch.save(function(*args), result)
    sender.send_bytes(result.getvalue())


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
