"""`pack` and `compose`: from a trained model to packs, and from packs to a model that the other verbs take."""

from tests.fixtures import save_tokenizer
from tests.packs.test_packs import trained
from tests.upcycle.conftest import save_base


def test_packs_are_written_put_together_and_used(run, refused, tmp_path):
    base = save_base(tmp_path / "base", "qwen2", vocab_size=300)
    save_tokenizer(base)
    for seed, name in enumerate(("rust", "lua")):
        trained(tmp_path / f"{name}-model", base, [name], seed)
        outcome = run("pack", f"{name}-model", f"packs/{name}")
        assert outcome.code == 0, outcome.err
        assert f"rank 4, opens for {name}" in outcome.out
    outcome = run("compose", "mine", "--base", base, "--pack", "packs/rust", "--pack", "second=packs/lua")
    assert outcome.code == 0, outcome.err
    assert "rust: opens for rust" in outcome.out
    assert "second: opens for lua" in outcome.out
    for told in ([], ["--language", "rust"], ["--language", "python"], ["--show-routing"]):
        assert run("generate", "mine", "fn main", "--max-new-tokens", "4", *told).code == 0
    shut = run("generate", "mine", "fn main", "--max-new-tokens", "4", "--show-routing", "--language", "python")
    assert "open for 0% of the tokens" in shut.out
    assert "mine exists" in refused("compose", "mine", "--base", base, "--pack", "packs/rust")
    assert "packs/rust exists" in refused("pack", "rust-model", "packs/rust")
    assert "--pack: two have one name" in refused(
        "compose", "out", "--base", base, "--pack", "packs/rust", "--pack", "rust=packs/lua"
    )
    assert "--pack: nowhere is not a folder" in refused("compose", "out", "--base", base, "--pack", "nowhere")
    assert "put together of packs" in refused("pack", "mine", "out")
