"""docs/tutorial.md: its commands do what it says, from the recipe to a server that has the pack on."""

import re
import shlex
import signal
from contextlib import ExitStack
from pathlib import Path

from tests.corpus.conftest import write_files
from tests.packs.test_adapters import llama_cpp_base
from tests.serve.conftest import served_by_command

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
    said, url = {}, ""
    with ExitStack() as servers:
        for line in _COMMANDS:
            line = line.replace(f"{_TCL}/tcllib2.0", "ours").replace(f"{_TCL}/bwidget1.9.13", "theirs")
            verb, *words = shlex.split(line)
            if verb == "serve":
                url = servers.enter_context(served_by_command(words, tmp_path / "log", stop=signal.SIGINT))
            elif verb == "check":
                said[verb] = run(verb, url, *words[1:])
            else:
                said[verb] = run(verb, *words, *more.get(verb, []))
    assert "nothing is missing" in said["language"].out
    assert "1 of 1" in said["eval"].out
    assert "memory at its peak" in said["doctor"].out
    assert said["check"].out.startswith("tcl: on ")
