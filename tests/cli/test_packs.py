"""`pack` and `compose`: from a trained model to packs, and to a model that the other verbs take; what `check` says."""

import json
import math

import pytest

from multipl_moe.packs.canary import save_canaries
from multipl_moe.packs.files import Pack
from tests.fixtures import save_tokenizer
from tests.packs.conftest import trained
from tests.serve.conftest import listening
from tests.serve.engine_stub import EngineStub
from tests.serve.test_check import CANARIES, WITH, WITHOUT, scored
from tests.upcycle.conftest import save_base


def test_packs_are_written_put_together_and_used(run, refused, tmp_path):
    base = save_base(tmp_path / "base", "qwen2", vocab_size=300)
    save_tokenizer(base)
    for seed, name in enumerate(("rust", "lua")):
        trained(tmp_path / f"{name}-model", base, [name], seed)
        assert f"rank 4, opens for {name}" in run("pack", f"{name}-model", f"packs/{name}").out
    outcome = run("compose", "mine", "--base", base, "--pack", "packs/rust", "--pack", "second=packs/lua")
    assert "rust: opens for rust" in outcome.out
    assert "second: opens for lua" in outcome.out
    assert "all open for it" not in outcome.out
    twice = run("compose", "twice", "--base", base, "--pack", "packs/rust", "--pack", "other=packs/rust")
    assert "rust: other and rust are all open for it, and share each token" in twice.out
    for told in ([], ["--language", "rust"], ["--language", "python"], ["--show-routing"]):
        run("generate", "mine", "fn main", "--max-new-tokens", "4", *told)
    shut = run("generate", "mine", "fn main", "--max-new-tokens", "4", "--show-routing", "--language", "python")
    assert "open for 0% of the tokens" in shut.out
    assert "mine exists" in refused("compose", "mine", "--base", base, "--pack", "packs/rust")
    assert "packs/rust exists" in refused("pack", "rust-model", "packs/rust")
    assert "--pack: two have one name" in refused(
        "compose", "out", "--base", base, "--pack", "packs/rust", "--pack", "rust=packs/lua"
    )
    (tmp_path / "runs" / "later").mkdir(parents=True)
    (tmp_path / "packs" / "lua").rename(tmp_path / "runs" / "later" / "pack")
    outcome = run("compose", "again", "--base", base, "--pack", "packs/rust", "--pack", "runs/later/pack")
    assert "later: opens for lua" in outcome.out, "by the name of its run"
    assert "--pack: nowhere is not a folder" in refused("compose", "out", "--base", base, "--pack", "nowhere")
    assert "put together of packs" in refused("pack", "mine", "out")
    assert "it is qwen2, not llama or mistral" in refused("export", "packs/rust", "out", "--switch", "--base", base)
    assert "--switch: it writes packs as they are; leave --gguf out" in refused(
        "export", "packs/rust", "out", "--switch", "--gguf"
    )


def test_a_run_that_was_stopped_before_its_pack_was_written_gets_it_by_resume(run, refused, corpus, tmp_path):
    base = save_base(tmp_path / "base", "qwen2", vocab_size=300)
    save_tokenizer(base)
    model = trained(tmp_path / "out" / "model", base, ["rust"])
    (tmp_path / "out" / "training.json").write_text("{}")
    again = ("train", model, corpus, "out", "--resume", "--learn", "rust", "--keep", "python")
    assert "pack, what was learnt by itself: out/pack" in run(*again).out
    run("pack", model, "by-hand")
    assert Pack.load(tmp_path / "out" / "pack") == Pack.load(tmp_path / "by-hand")
    assert "out holds a finished run" in refused(*again)


def test_a_pack_is_taken_for_the_model_of_its_base_and_it(run, refused, tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIPL_MOE_CACHE", str(tmp_path / "cache"))
    base = save_base(tmp_path / "base", "qwen2", vocab_size=300)
    save_tokenizer(base)
    trained(tmp_path / "model", base, ["rust"])
    (tmp_path / "model" / "upcycle.json").write_text(json.dumps({"base": str(base)}))
    run("pack", "model", "rust")
    asked = ("fn main", "--max-new-tokens", "8", "--language", "rust")
    written = run("generate", "rust", *asked)
    assert written.out == run("generate", "model", *asked).out
    (made,) = (tmp_path / "cache").glob("pack-*")
    run("generate", "rust", *asked)
    told = refused("eval", "out", "--model", "rust", "--benchmark", "starter", "--languages", "python")
    assert "put this pack on its base with `compose`" in told
    base.rename(tmp_path / "elsewhere")
    assert run("generate", "rust", *asked).out == written.out, "what was put together needs no base any more"
    made.rename(tmp_path / "gone")
    assert "multipl-moe compose MODEL --base FOLDER" in refused("generate", "rust", *asked)


def test_check_ends_with_1_unless_all_are_on(run, tmp_path):
    save_canaries(tmp_path / "canary.json", {"rust": CANARIES})
    for rust, code, told in ((WITH, 0, "rust: on"), (WITHOUT, 1, "rust: off")):
        with listening(EngineStub(["rust"], scores=scored(rust=rust, base=WITHOUT)).app) as url:
            assert told in run("check", url, "--canary", tmp_path / "canary.json", code=code).out


_ASK = ("check", "http://127.0.0.1:9/v1", "--canary", "canary.json")
_CONTROL = {"control": "<|rust|>"}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({}, {"token": 5}, "canary.json: adapters.rust.1.token: 5: must be text"),
        ({}, {"base": math.nan}, "canary.json: adapters.rust.1.base: nan: must be a finite number"),
        ({}, {"more": 1}, "canary.json: adapters.rust.1.more"),
        (_CONTROL, _CONTROL, "needs the same control token"),  # and prompts that begin with a line break
        (_CONTROL | {"prompt": "\na"}, {}, "needs the same control token"),
    ],
)
def test_all_canaries_are_checked_before_a_server_is_asked(refused, tmp_path, first, second, said):
    one = {"prompt": "a", "token": "b", "adapter": -1.0, "base": -2.0}
    values = {"format": 1, "adapters": {"rust": [one | first, one | second]}}
    (tmp_path / "canary.json").write_text(json.dumps(values))
    assert said in refused(*_ASK)
