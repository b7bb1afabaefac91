"""Exported tiny models of several families, presets and dtypes, and what they compute without this package."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.export.folder import ExportSettings, export_model
from tests.conftest import random_tokens, tiny_hybrid
from tests.fixtures import save_tokenizer

NUM_TOKENS = 40
# A module that is None cannot be imported. transformers does not need accelerate, so neither may the exports.
WITHOUT = """
import runpy, sys
sys.modules |= dict.fromkeys(("multipl_moe", "accelerate"))
runpy.run_path({!r}, run_name="__main__")
"""


@dataclass(frozen=True)
class Case:
    """One export: what is exported, and how."""

    preset: str
    family: str = "llama"
    dtype: torch.dtype | None = None
    max_shard_bytes: int | None = None
    expert_type: str = "full"

    @property
    def name(self) -> str:
        """For folders and test ids."""
        kind = self.preset if self.expert_type == "full" else f"{self.preset}-{self.expert_type}"
        parts = (self.family, kind, str(self.dtype or "stored").removeprefix("torch."))
        return "-".join((*parts, "sharded") if self.max_shard_bytes else parts)


CASES = [
    Case("gated-single"),
    Case("gated-single", "starcoder2", expert_type="lora"),
    *(Case(preset) for preset in ("causal", "paper", "token-only")),
    Case("gated"),
    Case("causal", "gemma2"),
    Case("causal", "starcoder2", expert_type="lora"),
    Case("causal", dtype=torch.float16),
    Case("causal", dtype=torch.bfloat16, max_shard_bytes=20_000),
]


@dataclass(frozen=True)
class Exports:
    """Folders of every case, the tokens, and what the exports computed in a process without this package."""

    root: Path
    tokens: torch.Tensor
    alone: dict[str, Any] = field(default_factory=dict)

    def model(self, case: Case) -> Path:
        """What was exported."""
        return self.root / "models" / f"{case.family}-{case.preset}-{case.expert_type}"

    def output(self, case: Case) -> Path:
        """The export."""
        return self.root / case.name

    def copy(self, case: Case) -> Path:
        """What `save_pretrained` of the export wrote in that process."""
        return self.root / "copies" / case.name


def save_hybrid(folder: Path, preset: str = "causal", family: str = "llama", **moe: Any) -> Path:
    """A random hybrid with a tokenizer; further arguments go to its settings."""
    tiny_hybrid(preset, family, **moe).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """All cases, exported, and loaded by load_alone.py."""
    exports = Exports(tmp_path_factory.mktemp("exports"), random_tokens(2, NUM_TOKENS))
    for case in CASES:
        if not exports.model(case).exists():
            save_hybrid(exports.model(case), case.preset, case.family, type=case.expert_type)
        settings = ExportSettings(dtype=case.dtype, max_shard_bytes=case.max_shard_bytes)
        export_model(exports.model(case), exports.output(case), settings)
    exports.alone.update(load_alone(exports.root, [exports.output(case) for case in CASES], exports.tokens))
    return exports


def run_alone(code: str, modules: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program that cannot ask anybody anything."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"HF_MODULES_CACHE": str(modules), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def load_alone(root: Path, folders: list[Path], tokens: torch.Tensor) -> dict[str, Any]:
    """Results of load_alone.py by folder name."""
    torch.save(tokens, root / "tokens.pt")
    script = Path(__file__).with_name("load_alone.py")
    arguments = [json.dumps([str(folder) for folder in folders]), root / "tokens.pt", root / "copies", root / "out.pt"]
    done = run_alone(WITHOUT.format(str(script)), root / "modules", *map(str, arguments))
    assert done.returncode == 0, done.stderr
    return torch.load(root / "out.pt", weights_only=True)


def load_reference(exports: Exports, case: Case) -> Any:
    """The model that was exported, in the dtype of the export."""
    return load_hybrid(exports.model(case), dtype=case.dtype or "auto").eval()
