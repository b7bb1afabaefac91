"""What answers before a model is loaded imports no slow library; transformers knows the model type all the same."""

import subprocess
import sys

import pytest

from multipl_moe.cli import app

_REFUSED = [
    ["train", "hybrid", "corpus", "run"],
    ["train", "hybrid", ".", "run", "--set", "train.tokns=1"],
    ["upcycle", "hybrid", "--set", "moe.prest=causal"],
    ["corpus", "corpus", "--set", "corpus.sorces=1"],
    ["inspect", "corpus"],
    ["eval", "out", "--set", "eval.fils=1"],
    ["practice", "out"],
    ["practice", "out", "--model", "model", "--set", "practice.taks=1"],
    ["compare", "out", "plan.yaml"],
    ["generate", "model", "text"],
    ["serve", "model"],
    ["export", "model", "out"],
    ["doctor", "--languages", "latin"],
    ["demo", "--set", "train.tokns=1"],
]
_RUN = """
import sys
from multipl_moe.__main__ import main
for arguments in {commands!r}:
    sys.argv = ["multipl-moe", *arguments]
    try:
        main()
    except SystemExit as end:
        assert end.code == {code}, (arguments, end.code)
    else:
        raise AssertionError(arguments)
heavy = {{"torch", "transformers", "datatrove", "matplotlib"}} & sys.modules.keys()
assert not heavy, heavy
"""
_IS_REGISTERED = """
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, LlamaConfig
config = AutoConfig.for_model("multipl_moe", text_config=LlamaConfig().to_dict(), moe={})
assert type(config) is multipl_moe.MultiplMoeConfig
assert AutoModel._model_mapping[type(config)] is multipl_moe.MultiplMoeModel
assert AutoModelForCausalLM._model_mapping[type(config)] is multipl_moe.MultiplMoeForCausalLM
"""


def _run(code: str, tmp_path) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_version_and_help_import_no_library_that_takes_its_time(tmp_path):
    commands = [["--version"], ["--help"], *([verb.name, "--help"] for verb in app.registered_commands)]
    _run(_RUN.format(commands=commands, code=0), tmp_path)


def test_what_is_refused_before_a_model_is_loaded_is_refused_at_once(tmp_path):
    _run(_RUN.format(commands=_REFUSED, code=2), tmp_path)
    assert not list(tmp_path.iterdir())


_IN_TURN = """
import sys, multipl_moe
assert not {"multipl_moe.train.own_loop", "pydantic"} & sys.modules.keys()
import multipl_moe.gate
assert not {"multipl_moe.corpus", "multipl_moe.eval", "datatrove", "peft", "bitsandbytes"} & sys.modules.keys()
import multipl_moe.generate.text, multipl_moe.upcycle.convert, multipl_moe.eval.programs, multipl_moe.serve.front
assert not {"peft", "bitsandbytes"} & sys.modules.keys()
assert multipl_moe.freeze_base and multipl_moe.HybridCallback
"""


@pytest.mark.parametrize(
    "imports",
    [
        _IN_TURN,
        *(
            pytest.param(more, marks=pytest.mark.extended)  # tests/conftest.py imports transformers first, too
            for more in (
                "import transformers.models.auto.modeling_auto\nimport multipl_moe",
                "from multipl_moe import calibrate_routing\nimport multipl_moe",
                "import multipl_moe; from transformers import AutoModel",
                "import multipl_moe; from multipl_moe.model.modeling import MultiplMoeForCausalLM",
                "import multipl_moe; from multipl_moe.model.configuration import MultiplMoeConfig",
            )
        ),
    ],
)
def test_imports_bring_no_more_than_asked_and_register_the_model_type_in_any_order(imports: str, tmp_path):
    _run(f"{imports}\n{_IS_REGISTERED}", tmp_path)


def test_what_the_package_offers_is_found_and_nothing_else(tmp_path):
    import multipl_moe

    assert all(getattr(multipl_moe, name) is not None for name in multipl_moe.__all__)
    assert not hasattr(multipl_moe, "MultiplMoe")
