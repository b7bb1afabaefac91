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

from multipl_moe.export.folder import ExportSettings, export_model
from multipl_moe.model.expert_use import ExpertUse, expert_names
from multipl_moe.model.moe_config import MoeConfig
from tests.conftest import random_tokens, tiny_hybrid
from tests.export.natives import NATIVE_CASES, save_native_source
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
    Case("causal"),
    Case("gated-pack", "starcoder2", expert_type="lora"),
    Case("gated", dtype=torch.bfloat16, max_shard_bytes=20_000),
    Case("gated-single", dtype=torch.float16),
    Case("paper"),
    Case("token-only", "gemma2"),
    Case("causal", "starcoder2", expert_type="lora"),
]
NATIVE = "native"  # folder of an export in an architecture of transformers


@dataclass(frozen=True)
class Exports:
    """Folders of every case, the tokens, and by their names what the exports computed without this package."""

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


def random_use(moe: MoeConfig, *languages: str, total: float = 1.0) -> ExpertUse:
    """Random weights of every expert, which sum to `total` in each layer."""
    generator = torch.Generator().manual_seed(0)

    def weights() -> list[float]:
        drawn = torch.rand(len(expert_names(moe)), generator=generator, dtype=torch.float64)
        return (total * drawn / drawn.sum()).tolist()

    return ExpertUse({name: {index: weights() for index in moe.layers} for name in languages})


def refuse(model: Path, error: type[Exception], message: str, **settings: Any) -> None:
    """An export of the model with these settings is refused with a message, and leaves nothing."""
    before = sorted(model.parent.iterdir())
    with pytest.raises(error, match=message):
        export_model(model, model.with_name("refused"), ExportSettings(**settings))
    assert sorted(model.parent.iterdir()) == before


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """All cases and a native model, exported, and loaded by load_alone.py in a process that cannot ask anybody."""
    root = tmp_path_factory.mktemp("exports")
    exports = Exports(root, random_tokens(2, NUM_TOKENS))
    for case in CASES:
        save_hybrid(exports.model(case), case.preset, case.family, type=case.expert_type)
        settings = ExportSettings(dtype=case.dtype, max_shard_bytes=case.max_shard_bytes)
        export_model(exports.model(case), exports.output(case), settings)
    native = save_native_source(root / "models" / NATIVE, NATIVE_CASES[0])
    export_model(native, root / NATIVE, ExportSettings(native=True))
    torch.save(exports.tokens, root / "tokens.pt")
    script, folders = Path(__file__).with_name("load_alone.py"), [*map(exports.output, CASES), root / NATIVE]
    arguments = [json.dumps(list(map(str, folders))), root / "tokens.pt", root / "copies", root / "out.pt"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", WITHOUT.format(str(script)), *map(str, arguments)],
        env=environment | {"HF_MODULES_CACHE": str(root / "modules"), "HF_HUB_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    exports.alone.update(torch.load(root / "out.pt", weights_only=True))
    exports.alone["errors"] = done.stderr
    return exports
