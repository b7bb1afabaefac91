"""What the kernel enforces on each process."""

import subprocess

from multipl_judge.languages.toolchain import Limits


def test_a_process_meets_the_limits_and_cannot_lift_them():
    limits = Limits(cpu_s=1, memory_bytes=2**28, processes=64, file_bytes=2**20)
    text = (
        "import resource as r\n"
        "names = 'DATA FSIZE NPROC STACK CORE'.split()\n"
        "print([r.getrlimit(getattr(r, 'RLIMIT_' + name)) for name in names])"
    )
    words = ["prlimit", *limits.prlimit_arguments(), "--", "/usr/bin/python3", "-c", text]
    printed = subprocess.run(words, capture_output=True, check=True, text=True).stdout
    values = [4 * 2**28, 2**20, 64, 2**23, 0]
    assert printed.strip() == str([(value, value) for value in values])
