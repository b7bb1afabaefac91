"""Building all of recipes/toolchains.yaml: seconds and peak memory by executor, and whether the files are the same.

    python benchmarks/toolchains.py [--quick] [--executors local ray] [--output FILE.json]

Each build is the command `multipl-moe corpus` in a process of its own. Memory is the proportional set size (PSS) of
all processes that come of it, Ray's among them, summed: pages that several share count once. It is read once a second,
so a peak that is shorter may be missed. Targets: 12 minutes, 3 GB, and equal bytes in all files but the logs
and the recorded recipe, which names the executor. Linux alone tells PSS.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from harness import Target, options_parser, print_table, record

from multipl_moe.recipe.recipe import load_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "toolchains.yaml"
_MAX_SECONDS, _MAX_BYTES = 720.0, 3e9
_QUICK_BYTES = 1_000_000  # two of the largest files that the recipe takes
_SAMPLE_S = 1.0  # reading it costs the kernel time that the builds lack


@dataclass(frozen=True)
class Build:
    """What one build took and made.

    Attributes:
        seconds: wall clock, the start of the interpreter included.
        peak_bytes: PSS of all processes.
        num_processes: most at a time.
        output_bytes: of the files that are hashed.
        sha256: of their paths and contents.
    """

    seconds: float
    peak_bytes: int
    num_processes: int
    output_bytes: int
    sha256: str


class Family:
    """A process that leads a session, and all that come of it.

    Members are found by their parents and by the session, and are remembered: Ray's lead sessions of their own, and
    what outlives its parent gets another one.
    """

    def __init__(self, pid: int):
        self._session = pid
        self._members = {psutil.Process(pid)}

    def pss_bytes(self) -> list[int]:
        """Of each member that lives."""
        processes = sorted(psutil.process_iter(["ppid"]), key=lambda process: process.create_time())
        found = {process.pid for process in self._members if process.is_running()}
        for process in processes:  # parents come before their children
            if process.pid in found or process.info["ppid"] in found or _session(process.pid) == self._session:
                found.add(process.pid)
                self._members.add(process)
        return [pss for process in self._members if (pss := _pss(process)) is not None]

    def kill(self) -> None:
        """End those that still run."""
        for process in self._members:
            if process.is_running():
                process.kill()


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _pss(process: psutil.Process) -> int | None:
    """None for a process that has ended."""
    try:
        return process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # a zombie has no memory that could be read
        return None


def build(executor: str, folder: Path, *, quick: bool) -> Build:
    """Build the corpus once.

    Raises:
        RuntimeError: the command failed.
    """
    overrides = {"corpus.executor.kind": executor, "corpus.max_bytes_per_language": _QUICK_BYTES if quick else None}
    recipe, output, log = folder / f"{executor}.yaml", folder / executor, folder / f"{executor}.log"
    recipe.write_text(load_recipe(RECIPE, overrides).to_yaml(), encoding="utf-8")
    command = [sys.executable, "-m", "multipl_moe", "corpus", str(output), "--recipe", str(recipe)]
    begin, peak, most = time.perf_counter(), 0, 0
    with log.open("wb") as lines:
        child = subprocess.Popen(command, stdout=lines, stderr=subprocess.STDOUT, start_new_session=True)
    family = Family(child.pid)
    try:
        while child.poll() is None:
            sizes = family.pss_bytes()
            peak, most = max(peak, sum(sizes)), max(most, len(sizes))
            time.sleep(_SAMPLE_S)
    finally:
        seconds = time.perf_counter() - begin
        family.kill()
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}: {log.read_text()[-2000:]}")
    return Build(seconds, peak, most, *digest(output))


def digest(corpus: Path) -> tuple[int, str]:
    """Bytes and hash of all files but the logs and the recorded recipe."""
    total, sha256 = 0, hashlib.sha256()
    for file in sorted(corpus.rglob("*")):
        name = file.relative_to(corpus)
        if file.is_file() and name.parts[0] not in ("logs", "recipe.yaml"):
            with file.open("rb") as content:
                sha256.update(f"{name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
            total += file.stat().st_size
    return total, sha256.hexdigest()


def main() -> None:
    parser = options_parser(__doc__, quick="1 MB a language")
    parser.add_argument("--executors", nargs="+", default=["local", "ray"], choices=["local", "ray"])
    options = parser.parse_args()
    builds: dict[str, Build] = {}
    with tempfile.TemporaryDirectory() as name:
        for executor in options.executors:
            builds[executor] = build(executor, Path(name), quick=options.quick)
    rows = [
        [
            executor,
            f"{made.seconds:,.0f}",
            f"{made.peak_bytes / 1e9:.2f}",
            str(made.num_processes),
            f"{made.output_bytes / 1e6:,.0f}",
            made.sha256[:16],
        ]
        for executor, made in builds.items()
    ]
    columns = ["executor", "seconds", "peak GB", "processes", "MB written", "sha256"]
    print_table(f"{RECIPE.name} on {os.cpu_count()} cores", columns, rows)
    num_results = len({made.sha256 for made in builds.values()})
    targets = [Target("different results", num_results, 1, at_least=False)]
    for executor, made in builds.items():
        targets.append(Target(f"{executor}: seconds", made.seconds, _MAX_SECONDS, at_least=False))
        targets.append(Target(f"{executor}: peak bytes", made.peak_bytes, _MAX_BYTES, at_least=False))
    results = {executor: asdict(made) for executor, made in builds.items()}
    record("toolchains", results, targets, repeats=1, options=options)


if __name__ == "__main__":
    main()
