"""What a disk refuses is told apart from defects, whichever library met it."""

import errno
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from multipl_moe.errors import ConfigError, DiskError, OutputError
from multipl_moe.system.disk_errors import disk_errno, disk_errors_explained, what_was_denied, write_errors_explained


@pytest.mark.parametrize(
    "write", [lambda file: file.write_bytes(bytes(100_000)), lambda file: torch.save(torch.zeros(100_000), file)]
)
def test_a_full_disk_is_one_error_that_names_the_output(write):
    told = r"output: out cannot be written \(No space left on device\); free some space"
    with pytest.raises(DiskError, match=told), disk_errors_explained(Path("out")):
        write(Path("/dev/full"))


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), errno.ENOSPC),
        (SafetensorError(f"I/O error (os error {errno.EROFS})"), errno.EROFS),
        (OSError(errno.EFBIG, "of the disk"), errno.EFBIG),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"), errno.ENOSPC),
        (OSError(errno.EACCES, "denied"), None),
        (RuntimeError("shape mismatch"), None),
    ],
)
def test_what_the_disk_refuses_is_told_from_other_failures_whoever_met_it(error: Exception, number: int | None):
    assert disk_errno(error) == number


@pytest.mark.parametrize("error", [ConfigError("os error 28"), ValueError("no"), OSError(errno.EIO, "I/O error")])
def test_all_else_stays_what_it_is(error):
    with pytest.raises(type(error)) as caught, disk_errors_explained(Path("out")):
        raise error
    assert caught.value is error


def test_what_does_nothing_but_write_is_told_as_output():
    with (
        pytest.raises(OutputError, match=r"out cannot be written \(Is a directory\)"),
        write_errors_explained(Path("out")),
    ):
        Path("/").write_text("")


def test_an_error_that_follows_from_a_full_disk_is_one_too():
    def close() -> None:
        try:
            raise OSError(errno.ENOSPC, "full")
        finally:
            raise ValueError("closed file")

    with pytest.raises(ValueError, match="closed file") as caught:
        close()
    assert disk_errno(caught.value) == errno.ENOSPC


def test_permissions_and_long_names_are_told_with_the_file_and_defects_are_not():
    denied = PermissionError(errno.EACCES, "Permission denied", "/etc/shadow")
    assert what_was_denied(denied) == "/etc/shadow: Permission denied; change its permissions or choose another place"
    long = OSError(errno.ENAMETOOLONG, "File name too long", "x")
    assert what_was_denied(long) == "x: File name too long; choose a shorter one"
    assert what_was_denied(KeyError("x")) is None
    assert what_was_denied(FileNotFoundError(errno.ENOENT, "missing", "x")) is None
