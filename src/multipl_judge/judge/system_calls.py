"""Which system calls strangers' programs may not make, as a seccomp filter for bubblewrap.

The filter is a classic BPF program (seccomp(2), linux/filter.h). libseccomp would make the same from the same table,
but its own Python binding is not on PyPI, and others are not kept.
"""

import ctypes
import os
import struct
from dataclasses import dataclass
from errno import EAFNOSUPPORT, ENOSYS, EPERM

_X86_64, _AARCH64 = "x86_64", "aarch64"

# Name to numbers on x86_64 and aarch64. What is refused is as if the kernel did not have it: runtimes know about that.
REFUSED = {
    # Memory that belongs to no process, so that nobody counts it, or that outlives the program.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semctl": (66, 191),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_timedsend": (242, 182),
    # Keyrings: messages for the next program.
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # Other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # Namespaces and mounts. clone3 hides its flags from filters; the C library then uses clone.
    "unshare": (272, 97),
    "setns": (308, 268),
    "clone3": (435, 435),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "quotactl": (179, 60),
    "fanotify_init": (300, 262),
    # Doors to much of the kernel that no ordinary program needs.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "syslog": (103, 116),
}
_JOIN_SESSION_KEYRING = 1
_CLONE, _MMAP, _SETSOCKOPT = (56, 220), (9, 222), (54, 208)
_FORKS = ((57, 58), ())  # fork and vfork, which aarch64 does not have
_THREAD = 0x0001_0000  # CLONE_THREAD
_SOCKETS = ((41, 198), (53, 199))  # socket, socketpair
_NEW_NAMESPACES = 0x7E02_0000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_SHARED_ANONYMOUS = 0x21  # MAP_SHARED | MAP_ANONYMOUS: pages that stay when nobody has them mapped any more
_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: those that end at the network namespace
_SOL_SOCKET, _BUFFER_SIZES = 1, (7, 8)  # SO_SNDBUF, SO_RCVBUF

_LOAD, _AND = 0x20, 0x54  # BPF_LD | BPF_W | BPF_ABS, BPF_ALU | BPF_AND | BPF_K
_IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERROR = 0x7FFF_0000, 0x0005_0000
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # in struct seccomp_data
_ARGUMENT_AT = tuple(range(16, 64, 8))  # the lower half of each
_X32 = 0x4000_0000

_Instruction = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Machine:
    """A machine's place in the table, and the number by which the kernel knows it."""

    column: int
    audit: int


_MACHINES = {_X86_64: _Machine(0, 0xC000_003E), _AARCH64: _Machine(1, 0xC000_00B7)}


def column(machine: str | None = None) -> int | None:
    """Which number of the table is a machine's, as `os.uname` names it, by default this one's; None if none is."""
    found = _MACHINES.get(machine or os.uname().machine)
    return found.column if found else None


def system_call_filter(machine: str | None = None, *, forks: bool = True) -> bytes:
    """The filter: an array of `struct sock_filter`.

    Args:
        machine: for which, as `os.uname` names it, by default this one.
        forks: whether new processes may be made; threads always may. Without, EPERM is the answer.

    System calls of another architecture and those of `REFUSED` are answered with ENOSYS, new namespaces and shared
    anonymous memory with EPERM, and families of sockets that namespaces do not hold back with EAFNOSUPPORT. Sizes of
    sockets' buffers stay what they are, and who sets them is told that it worked, as after all it may have.
    """
    here = _MACHINES[machine or os.uname().machine]
    program: list[_Instruction] = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_IF_EQUAL, 1, 0, here.audit), _refuse(ENOSYS)]
    program.append((_LOAD, 0, 0, _NUMBER_AT))
    program += [(_IF_AT_LEAST, 0, 1, _X32), _refuse(ENOSYS)]
    flags = [(_LOAD, 0, 0, _ARGUMENT_AT[0]), (_IF_ANY_BIT, 0, 1, _NEW_NAMESPACES), _refuse(EPERM)]
    if not forks:
        flags += [(_IF_ANY_BIT, 1, 0, _THREAD), _refuse(EPERM)]
        for number in _FORKS[here.column]:
            program += _where(number, [_refuse(EPERM)])
    program += _where(_CLONE[here.column], flags)
    shared = [
        *((_LOAD, 0, 0, _ARGUMENT_AT[3]), (_AND, 0, 0, _SHARED_ANONYMOUS)),
        *((_IF_EQUAL, 0, 1, _SHARED_ANONYMOUS), _refuse(EPERM)),
    ]
    program += _where(_MMAP[here.column], shared)
    families = [(_IF_EQUAL, len(_FAMILIES) - place, 0, family) for place, family in enumerate(_FAMILIES)]
    for numbers in _SOCKETS:
        program += _where(numbers[here.column], [(_LOAD, 0, 0, _ARGUMENT_AT[0]), *families, _refuse(EAFNOSUPPORT)])
    sizes = [
        *((_LOAD, 0, 0, _ARGUMENT_AT[1]), (_IF_EQUAL, 0, 4, _SOL_SOCKET), (_LOAD, 0, 0, _ARGUMENT_AT[2])),
        *((_IF_EQUAL, 1, 0, _BUFFER_SIZES[0]), (_IF_EQUAL, 0, 1, _BUFFER_SIZES[1]), _refuse(0)),
    ]
    program += _where(_SETSOCKOPT[here.column], sizes)
    for numbers in REFUSED.values():
        program += [(_IF_EQUAL, 0, 1, numbers[here.column]), _refuse(ENOSYS)]
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def join_new_session_keyring() -> bool:
    """Give this thread, and whatever it starts, an empty session keyring; False where that cannot be had.

    Where the filter is not in force a program would find the keys of the session that started the judge, which the
    kernel hands on to every process, and leave its own there for the next.
    """
    place = column()
    if place is None:
        return False
    return ctypes.CDLL(None).syscall(REFUSED["keyctl"][place], _JOIN_SESSION_KEYRING, None) > 0


def _refuse(error: int) -> _Instruction:
    return _RETURN, 0, 0, _ERROR | error


def _where(number: int, then: list[_Instruction]) -> list[_Instruction]:
    """What is done for one system call, which is allowed if that comes to its end."""
    return [(_IF_EQUAL, 0, len(then) + 1, number), *then, (_RETURN, 0, 0, _ALLOW)]
