"""docs/tutorial.md: its commands do what it says, from the recipe to a server that has the pack on."""

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.test_serve_adapters import running
from tests.corpus.conftest import write_files
from tests.packs.test_adapters import llama_cpp_base

_PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_TCL = "/usr/share/tcltk"
_COMMANDS = re.findall(r"^multipl-moe (.*)$", _PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_each_command_works_in_turn(run, sources, tables, tmp_path, bubblewrap):
    base, _ = llama_cpp_base(tmp_path, "llama")
    for folder, seed in (("ours", 0), ("theirs", 100)):
        write_files(tmp_path / folder, ".tcl", 12, first_seed=seed)
    texts = [f"kind: folder, path: {path}" for path in ("ours", sources, "theirs, held_out: true")]
    small = ["--set", f"base={base}", "--set", "keep=[python]", "--set", f"corpus.sources=[{{{'}, {'.join(texts)}}}]"]
    train = "tokens=640", "sequence_tokens=32", "batch_sequences=2", "calibration_tokens=128", "compute_dtype=float32"
    settings = (
        *(f"train.{one}" for one in train),
        "corpus.max_bytes_per_language=null",
        "moe.experts.rank=2",
        "eval.moved_share=0",
    )
    small += [word for one in settings for word in ("--set", one)]
    more = {"doctor": small, "demo": small, "export": ["--base", base]}
    said, servers = {}, []
    for line in _COMMANDS:
        verb, *words = shlex.split(line.replace(f"{_TCL}/tcllib2.0", "ours").replace(f"{_TCL}/bwidget1.9.13", "theirs"))
        if verb == "serve":
            servers += [running([sys.executable, "-m", "multipl_moe", verb, *words, "--port", "0"], tmp_path / "log")]
        elif verb == "check":
            said[verb] = run(verb, (tmp_path / "log").read_text().rpartition(" at ")[2].partition(";")[0], *words[1:])
        else:
            said[verb] = run(verb, *words, *more.get(verb, []))
    for process in servers:
        process.send_signal(signal.SIGINT)
    assert [process.wait(30) for process in servers] == [0]
    (port,) = re.findall(r"^running .* (\d+)$", (tmp_path / "log").read_text(), re.MULTILINE)
    assert not subprocess.run(["pgrep", "-f", f"llama.server.*{port}"], capture_output=True, check=False).stdout
    assert "nothing is missing" in said["language"].out
    assert "1 of 1" in said["eval"].out
    assert "memory at its peak" in said["doctor"].out
    assert said["check"].out.startswith("tcl: on ")
