"""Running the command line in this process, and the tiny world that it runs on."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from multipl_moe import cli
from multipl_moe.recipe.recipe import load_recipe
from tests.conftest import tiny_dense
from tests.corpus.conftest import write_files
from tests.fixtures import NUM_TOKENS, known_speed, moe_section, save_tokenizer, tree

UNGATED = ["--set", "moe.gate.languages=[]"]
SMALL = ["--set", "moe.preset=causal", *UNGATED]
SMALL += ["--set", "moe.routing.num_token_experts=3", "--set", "moe.routing.num_segment_experts=2"]
SMALL += ["--set", "moe.routing.segment_window=8", "--set", "moe.gate.stride=4"]
SHORT = ["--set", "train.sequence_tokens=32", "--set", "train.batch_sequences=2", "--tokens", "128"]
SHORT += ["--set", "train.calibration_tokens=128", "--set", "train.compute_dtype=float32"]
TWO = ["--learn", "rust", "--keep", "python"]


@dataclass(frozen=True)
class Outcome:
    """What was printed."""

    out: str
    err: str

    @property
    def words(self) -> str:
        """The output, wherever its lines were broken."""
        return " ".join(self.out.split())


@pytest.fixture(autouse=True)
def _idle(monkeypatch):
    """A machine that does nothing else and whose speed is known, which takes a second to find out."""
    monkeypatch.setattr("psutil.cpu_percent", lambda seconds: 0.0)
    monkeypatch.setattr("multipl_moe.train.machine.measure_speed", known_speed)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs the command line in this process, in an empty folder; the test fails where it ends with another code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path, code: int = 0) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["multipl-moe", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        printed = capsys.readouterr()
        assert (caught.value.code or 0) == code, printed
        return Outcome(printed.out, printed.err)

    return run


@pytest.fixture
def refused(run, tmp_path):
    """Runs what must be refused: exit code 2, one line per problem, no traceback, nothing written."""

    def refused(*arguments: str | Path, num_problems: int = 1) -> str:
        before = tree(tmp_path)
        outcome = run(*arguments, code=2)
        lines = outcome.err.splitlines()
        assert len(lines) == num_problems, outcome.err
        assert all(line.startswith("error: ") for line in lines), outcome.err
        assert "Traceback" not in outcome.out + outcome.err
        assert tree(tmp_path) == before
        return outcome.err

    return refused


@pytest.fixture(scope="session")
def base(tmp_path_factory) -> Path:
    """A tiny random base with a tokenizer, just as wide as the rank that packs have by default."""
    folder = tmp_path_factory.mktemp("cli") / "base"
    wide: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 96}
    tiny_dense(vocab_size=NUM_TOKENS, max_position_embeddings=1024, **wide).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "sources"
    write_files(folder, ".rs", 5)
    write_files(folder, ".py", 5, first_seed=50)
    return folder


@pytest.fixture(scope="session")
def hybrid(base) -> Path:
    from multipl_moe.upcycle.convert import upcycle

    sizes = {"num_token_experts": 3, "num_segment_experts": 2, "segment_window": 8, "stride": 4}
    recipe = load_recipe(overrides={"base": str(base), "moe": moe_section("causal", languages=[], **sizes)})
    return upcycle(recipe, base.parent / "hybrid").output


@pytest.fixture(scope="session")
def corpus(base, sources) -> Path:
    from multipl_moe.corpus import build_corpus

    values = {"learn": ["rust"], "keep": ["python"], "corpus.sources": [{"kind": "folder", "path": str(sources)}]}
    build_corpus(load_recipe(overrides=values), base, base.parent / "corpus")
    return base.parent / "corpus"
