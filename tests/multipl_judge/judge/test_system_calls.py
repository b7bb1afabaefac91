"""The filter of system calls: what it refuses, on both machines that it knows, and what goes on as ever."""

import re
import struct
from errno import EAFNOSUPPORT, ENOSYS, EPERM
from itertools import product
from pathlib import Path

import pytest

from multipl_judge.judge.system_calls import REFUSED, column, system_call_filter
from tests.multipl_judge.judge.conftest import SHORT, python

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
_ALLOWED = 0x7FFF0000
_CALLS = {"x86_64": {"clone": 56, "mmap": 9, "socket": 41}, "aarch64": {"clone": 220, "mmap": 222, "socket": 198}}


def answer(program: bytes, number: int, architecture: int, *arguments: int) -> int:
    """What the filter says of a system call: a slow, obvious machine for the few instructions that it may use."""
    values = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *values)
    instructions = list(struct.iter_unpack("=HBBI", program))
    accumulator, place = 0, 0
    while True:
        code, if_true, if_false, value = instructions[place]
        place += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == 0x54:
            accumulator &= value
        elif code == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: accumulator & value != 0}[code]
            place += if_true if holds else if_false


def error(number: int) -> int:
    return 0x00050000 | number


@pytest.mark.parametrize("machine", _ARCHITECTURES)
def test_a_call_is_refused_only_by_name_or_for_its_arguments(machine):
    special = {*_CALLS[machine].values(), *((53, 54) if machine == "x86_64" else (199, 208))}
    refused = {numbers[("x86_64", "aarch64").index(machine)] for numbers in REFUSED.values()}
    program = system_call_filter(machine)
    for number, arguments in product(set(range(600)) - special, ((), (1, 2, 3), (2**64 - 1,) * 6)):
        found = answer(program, number, _ARCHITECTURES[machine], *arguments)
        assert found == (error(ENOSYS) if number in refused else _ALLOWED), number


@pytest.mark.parametrize("machine", _ARCHITECTURES)
def test_arguments_decide_where_a_call_is_needed(machine):
    program, calls, here = system_call_filter(machine), _CALLS[machine], _ARCHITECTURES[machine]
    assert answer(program, calls["clone"], here, 0x3D0F00) == _ALLOWED  # a thread
    assert answer(program, calls["clone"], here, 17) == _ALLOWED  # a fork
    for flag in (0x20000, 0x10000000, 0x40000000):
        assert answer(program, calls["clone"], here, flag | 17) == error(EPERM)
    assert answer(program, calls["mmap"], here, 0, 4096, 3, 0x22) == _ALLOWED
    assert answer(program, calls["mmap"], here, 0, 4096, 3, 0x01) == _ALLOWED  # a file
    assert answer(program, calls["mmap"], here, 0, 4096, 3, 0x21) == error(EPERM)
    assert answer(program, calls["mmap"], here, 0, 4096, 3, 0x4021) == error(EPERM)
    for family in (1, 2, 10, 16):
        assert answer(program, calls["socket"], here, family) == _ALLOWED
    for family in (17, 31, 38, 40):
        assert answer(program, calls["socket"], here, family) == error(EAFNOSUPPORT)


@pytest.mark.parametrize("machine", _ARCHITECTURES)
def test_where_processes_are_refused_threads_are_not(machine):
    program, here = system_call_filter(machine, forks=False), _ARCHITECTURES[machine]
    clone = _CALLS[machine]["clone"]
    assert answer(program, clone, here, 0x3D0F00) == _ALLOWED
    assert answer(program, clone, here, 17) == answer(program, clone, here, 0x4111) == error(EPERM)
    assert answer(program, clone, here, 0x10010000) == error(EPERM)
    for number in (57, 58):
        assert answer(program, number, here) == (error(EPERM) if machine == "x86_64" else _ALLOWED)


@pytest.mark.parametrize("machine", _ARCHITECTURES)
def test_calls_of_another_architecture_are_refused(machine):
    program = system_call_filter(machine)
    assert answer(program, 3, 0x40000003) == error(ENOSYS)
    if machine == "x86_64":
        assert answer(program, 3 | 0x40000000, _ARCHITECTURES[machine]) == error(ENOSYS)


@pytest.mark.parametrize("machine", [name for name, file in _HEADERS.items() if file.exists()])
def test_the_numbers_are_the_kernels(machine):
    header = _HEADERS[machine].read_text()
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", header)}
    place = column(machine)
    assert place is not None
    expected = {name: values[place] for name, values in REFUSED.items()} | _CALLS[machine]
    assert {name: numbers[name] for name in expected} == expected


def test_other_machines_have_no_column():
    assert column("riscv64") is None


@pytest.mark.skipif(column() is None, reason="no filter for this machine")
def test_a_program_meets_the_filter_and_threads_processes_and_event_loops_work(sandbox):
    text = """
import asyncio, ctypes, errno, mmap, multiprocessing, os, socket, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
for call in (lambda: os.memfd_create("x"), lambda: mmap.mmap(-1, 4096), lambda: socket.socket(40, 1)):
    try: call(); print("made")
    except OSError as error: print(errno.errorcode[error.errno])
try: mmap.mmap(os.open("/dev/zero", os.O_RDWR), 4096); print("made")
except OSError as error: print(errno.errorcode[error.errno])
first, _ = socket.socketpair()
before = first.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
first.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)
print(first.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == before)
print(open("/dev/zero", "rb").read(4))
thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
print(asyncio.run(asyncio.sleep(0, "loop")), subprocess.run(["echo", "child"], capture_output=True, text=True).stdout)
with multiprocessing.get_context("fork").Pool(2) as pool: print(sum(pool.map(abs, range(9))))
"""
    done = sandbox.run(python(text), limits=SHORT)
    refused = ["ENOSYS", "EPERM", "EAFNOSUPPORT", "ENODEV"]
    assert done.stdout.decode().split() == [*refused, "True", repr(bytes(4)), "thread", "loop", "child", "36"], done
