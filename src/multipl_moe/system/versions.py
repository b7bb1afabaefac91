"""What ran: versions, machine and commit, recorded beside every result."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("multipl-moe", "torch", "transformers", "accelerate", "safetensors", "tokenizers", "datatrove", "numpy")


def environment() -> dict[str, Any]:
    """Versions of the packages that decide a result, the machine, and the package's git commit where it has one."""
    import torch  # here, for what only reads records should not wait for it

    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "commit": _commit(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str | None:
    """Of the repository that tracks this file; None where another one happens to hold the installed package."""
    if _git("ls-files", "--error-unmatch", __file__) is None:
        return None
    return _git("describe", "--always", "--dirty", "--abbrev=12")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() or None
