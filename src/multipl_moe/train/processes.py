"""The processes of a training run: how they find each other, agree, and wait for the one that writes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

import torch
import torch.distributed as dist

from multipl_moe.system.launch import is_main, num_processes

_STEP_TIMEOUT = timedelta(minutes=30)
_WAIT_TIMEOUT = timedelta(days=1)  # while one process calibrates and writes a large model


def join() -> None:
    """Meet the other processes, if there are any: returns when all of them are here."""
    if num_processes() == 1:
        os.environ.pop("WORLD_SIZE", None)  # a scheduler's: on a CPU accelerate would wait for so many processes
        return
    if not dist.is_initialized():
        backend = "gloo"
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            backend = "cpu:gloo,cuda:nccl"
        dist.init_process_group(backend, timeout=_STEP_TIMEOUT)
    for timeout in (_STEP_TIMEOUT, _WAIT_TIMEOUT):
        _group(timeout)


def leave() -> None:
    """Part from the other processes."""
    if dist.is_available() and dist.is_initialized():
        _group.cache_clear()
        dist.destroy_process_group()


def routing_group() -> dist.ProcessGroup | None:
    """The group for what layers tell each other; None for a process alone."""
    return _group(_STEP_TIMEOUT) if num_processes() > 1 else None


def any_process(flag: bool) -> bool:
    """Whether the flag is set in any process; every one must ask."""
    if num_processes() == 1:
        return flag
    count = torch.tensor(int(flag))
    dist.all_reduce(count, group=_group(_WAIT_TIMEOUT))
    return bool(count)


def wait_for_all() -> None:
    """Return when every process has come here."""
    any_process(False)


@contextmanager
def main_first() -> Iterator[None]:
    """The block runs in the main process first, and then in the others."""
    if not is_main():
        wait_for_all()
    yield
    if is_main():
        wait_for_all()


@cache
def _group(timeout: timedelta) -> dist.ProcessGroup:
    """A group of all processes, apart from the one in which gradients are reduced."""
    group = dist.new_group(timeout=timeout)
    assert isinstance(group, dist.ProcessGroup)  # of all processes, so of this one
    return group
