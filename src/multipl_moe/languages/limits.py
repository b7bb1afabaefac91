"""What a program in the sandbox may use."""

from dataclasses import dataclass

_MIB = 2**20
_STACK_BYTES = 8 * _MIB
_OPEN_FILES = 1024
_ADDRESS_ROOM = 4


@dataclass(frozen=True)
class Limits:
    """Limits of one command and of all processes that it starts.

    Attributes:
        wall_s: seconds from start to end, by the wall clock.
        memory_bytes: of all processes together; the watcher ends them when they hold more.
        processes: processes and threads at one time.
        file_bytes: size of one file.
        scratch_bytes: size of each folder in memory that can be written (/scratch, /tmp, /dev/shm), and of all files
            in a writable host folder.
        output_bytes: standard output and standard error together.
    """

    wall_s: float
    memory_bytes: int
    processes: int = 64
    file_bytes: int = 64 * _MIB
    scratch_bytes: int = 128 * _MIB
    output_bytes: int = _MIB

    def prlimit_arguments(self, *, own_user: bool = True) -> list[str]:
        """Arguments of `prlimit` for what the kernel enforces on each process by itself.

        Args:
            own_user: whether the command's user runs nothing else. The kernel counts all processes and threads of a
                user; where others count too, their number is not limited, or no command could start.

        Writable private memory may be larger than `memory_bytes`: runtimes reserve what they never touch (Java, Go and
        the stacks of threads), and a program that does touch it shall meet the watcher, which knows the reason. The
        stack is fixed, so that verdicts on deep recursion do not depend on the shell that started the judge.
        """
        arguments = [
            f"--data={_ADDRESS_ROOM * self.memory_bytes}",
            f"--fsize={self.file_bytes}",
            f"--nofile={_OPEN_FILES}",
            f"--stack={_STACK_BYTES}",
            "--core=0",
        ]
        return [*arguments, f"--nproc={self.processes}"] if own_user else arguments
