"""The standalone export: it loads and computes the same where this package is not, and where it is."""

import ast
import importlib
import inspect
import json
import re
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from multipl_moe import MultiplMoeForCausalLM, MultiplMoeModel, __version__
from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.export.folder import ExportSettings, export_model
from multipl_moe.export.standalone import CODE_LICENCE_FILE, modeling_modules
from multipl_moe.model.transformers_version import FIRST_TOO_NEW_VERSION, OLDEST_VERSION, require_supported_transformers

from .conftest import CASES, NATIVE, Case, Exports, save_hybrid
from .load_alone import NUM_COPIES, TOKENIZERS_LOADED, compute, last_hidden_state

LLAMA = Case("causal")
# What transformers begins with.
CHECKING = {f"multipl_moe.model.{stem}" for stem in ("configuration", "decoder", "modeling")}
by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def references(exports: Exports) -> dict[str, Any]:
    """What the models compute that were exported."""
    found = {}
    for case in CASES:
        model: Any = load_hybrid(exports.model(case), dtype=case.dtype or "auto").eval()
        found[case.name] = compute(model, exports.tokens) | {"decoder": last_hidden_state(model.model, exports.tokens)}
    return found


def code_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.py"))


# --- without this package


@by_case
def test_logits_and_greedy_tokens_are_those_of_the_model_to_the_bit(exports, references, case):
    found, expected = exports.alone[case.name], references[case.name]
    assert found["code"], "the classes must come from the folder"
    assert found["dtype"] == found["loaded"]["logits"].dtype == (case.dtype or torch.float32)
    assert expected["logits"].float().std() > 0.1
    assert torch.equal(found["loaded"]["logits"], expected["logits"])
    assert torch.equal(found["decoder"], expected["decoder"])
    assert torch.equal(found["loaded"]["written"], expected["written"])
    layers = found["loaded"]["cache_layers"]
    if case.preset == "paper":
        assert layers == []
    else:
        assert ["SegmentCacheLayer" in name for name in layers] == [case.preset.startswith("gated")] + [
            case.preset not in ("token-only", "gated-single", "gated-pack")
        ] * 2


@pytest.mark.parametrize("case", CASES[:NUM_COPIES], ids=lambda case: case.name)
def test_a_saved_copy_loads_and_computes_the_same(exports, case):
    found = exports.alone[case.name]
    assert torch.equal(found["reloaded"]["logits"], found["loaded"]["logits"])
    assert torch.equal(found["reloaded"]["written"], found["loaded"]["written"])
    assert [file.name for file in code_in(exports.copy(case))] == [file.name for file in code_in(exports.output(case))]


def test_a_native_model_is_computed_by_transformers_own_code(exports):
    found, hybrid = exports.alone[NATIVE], load_hybrid(exports.root / "models" / NATIVE).eval()
    assert not found["code"]
    expected = compute(hybrid, exports.tokens)["logits"]
    torch.testing.assert_close(found["loaded"]["logits"], expected, rtol=0, atol=1e-4)


def test_another_version_of_transformers_is_told_in_one_line_what_it_should_be(exports):
    line = (
        "this model's code is for transformers>=5.24,<6, and 5.23.1 is installed: pip install 'transformers>=5.24,<6'"
    )
    assert exports.alone["told"] == [line] * 3


def test_the_tokenizer_loads_as_the_card_says_without_question_or_warning(exports):
    card = (exports.output(LLAMA) / "README.md").read_text()
    assert all(f"{name}.from_pretrained" in card for name in ("AutoTokenizer", "PreTrainedTokenizerFast"))
    assert exports.alone["texts"] == ["fn main"] * 2
    assert exports.alone["errors"].startswith(TOKENIZERS_LOADED)


# --- with this package


def test_where_the_package_is_its_own_code_runs_also_what_was_saved_without_it(exports, references):
    own = exports.output(LLAMA)
    trusting: Any = {"trust_remote_code": True}
    for folder, arguments in ((own, {}), (own, trusting), (exports.copy(LLAMA), {})):
        model: Any = AutoModelForCausalLM.from_pretrained(folder, **arguments)
        assert type(model) is MultiplMoeForCausalLM
        assert torch.equal(compute(model, exports.tokens)["logits"], references[LLAMA.name]["logits"])
        decoder: Any = AutoModel.from_pretrained(folder, **arguments)
        assert type(decoder) is MultiplMoeModel
        assert torch.equal(last_hidden_state(decoder, exports.tokens), references[LLAMA.name]["decoder"])


def test_an_export_can_be_exported_again(exports, tmp_path):
    export_model(exports.output(LLAMA), tmp_path / "again", ExportSettings())
    for file in exports.output(LLAMA).iterdir():
        if file.name != "README.md":  # which names its folder
            assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


def test_the_tokenizer_goes_along_and_asks_nothing(exports, caplog, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda question: pytest.fail(question))
    logging.enable_propagation()  # or caplog sees nothing
    try:
        tokenizer = AutoTokenizer.from_pretrained(exports.output(LLAMA))
    finally:
        logging.disable_propagation()
    assert caplog.text == ""
    assert tokenizer.decode(tokenizer("fn main")["input_ids"]) == "fn main"


# --- the code


def stem_of(module: str) -> str:
    """The file of a module, of the two that are called `errors` too."""
    return "multipl_judge_errors" if module == "multipl_judge.errors" else module.rpartition(".")[2]


_MODULES = modeling_modules()


def test_modeling_code_imports_only_the_standard_library_torch_transformers_and_itself():
    allowed = {*sys.stdlib_module_names, "torch", "transformers"}
    for module in _MODULES:
        for node in ast.walk(ast.parse(inspect.getsource(importlib.import_module(module)))):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= allowed, module
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, module
                assert node.module is not None, module
                assert node.module.partition(".")[0] in allowed or node.module in _MODULES, module


def test_each_file_names_its_origin_and_licence_and_differs_by_imports_only(exports):
    for module in _MODULES:
        file = exports.output(LLAMA) / f"{stem_of(module)}.py"
        header, *lines = file.read_text().splitlines()
        if module in CHECKING:
            assert lines.pop(0).startswith("from .transformers_version import require_supported_transformers")
        assert header == (
            f"# Copied from multipl-moe {__version__}, {module}, imports made relative; "
            f"Apache-2.0, see {CODE_LICENCE_FILE}."
        )
        original = inspect.getsource(importlib.import_module(module)).splitlines()
        changed = [(old, new) for old, new in zip(original, lines, strict=True) if old != new]
        packages = ("from multipl_moe.", "from multipl_judge.")
        assert all(old.startswith(packages) and new.startswith("from .") for old, new in changed)
        imports = "".join(line for line in lines if "import" in line)
        assert "multipl_moe." not in imports
        assert "multipl_judge." not in imports
    assert "Apache License" in (exports.output(LLAMA) / CODE_LICENCE_FILE).read_text()


def test_supported_versions_are_those_that_the_package_requires():
    for version in ("5.24.0", "5.24.0.dev0", "5.31.2"):
        require_supported_transformers(version)
    for version in ("4.57.3", "5.23.0", "6.0.0", "6.0.0rc1"):
        with pytest.raises(ImportError, match=f"5.24,<6, and {re.escape(version)} is installed"):
            require_supported_transformers(version)
    required = next(line for line in requires("multipl-moe") or [] if line.startswith("transformers"))
    assert set(required.removeprefix("transformers").split(",")) == {">=5.24", "<6"}
    assert (OLDEST_VERSION, FIRST_TOO_NEW_VERSION) == ((5, 24), (6, 0))


# --- the rest of the folder


def test_companions_go_along_and_what_belongs_to_the_model_folder_stays(tmp_path):
    model = save_hybrid(tmp_path / "model")
    kept = {"expert_use.json": '{"languages": {}}', "chat_template.jinja": "chat", "LICENSE": "of the base"}
    left = {"README.md": "another card", "modeling_old.py": "", "recipe.yaml": "", "environment.json": "{}"}
    for name, text in (kept | left | {"generation_config.json": '{"eos_token_id": 7}'}).items():
        (model / name).write_text(text)
    export_model(model, tmp_path / "out", ExportSettings())
    for name in (*kept, "generation_config.json", "tokenizer.json"):
        assert (tmp_path / "out" / name).read_bytes() == (model / name).read_bytes()
    assert not any((tmp_path / "out" / name).exists() for name in left if name != "README.md")
    assert "another card" not in (tmp_path / "out" / "README.md").read_text()


def test_generation_settings_are_the_base_s_and_no_path_of_this_machine_is_passed_on(tmp_path):
    model = save_hybrid(tmp_path / "model")
    (model / "generation_config.json").unlink()
    config = json.loads((model / "config.json").read_text())
    config["text_config"]["_name_or_path"] = str(tmp_path / "base")
    (model / "config.json").write_text(json.dumps(config))
    origin = {"base_hub_id": None, "base_licence": "MIT"}
    paths = {"base": str(tmp_path / "base"), "other_text": [str(tmp_path / "perl")]}
    (model / "upcycle.json").write_text(json.dumps(origin | paths))
    export_model(model, tmp_path / "out", ExportSettings())
    settings = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert (settings["bos_token_id"], settings["eos_token_id"]) == (1, 2)
    names = {"base": "base", "other_text": ["perl"]}
    assert json.loads((tmp_path / "out" / "upcycle.json").read_text()) == origin | names
    for file in (tmp_path / "out").iterdir():
        assert str(tmp_path).encode() not in file.read_bytes(), file.name
