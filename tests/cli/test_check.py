"""`multipl-moe check`: what it says, and its exit codes."""

from multipl_moe.packs.canary import save_canaries
from tests.serve.conftest import listening
from tests.serve.engine_stub import EngineStub
from tests.serve.test_check import CANARIES, WITH, WITHOUT, scored


def test_the_command_line_ends_with_1_unless_all_are_on(run, tmp_path):
    save_canaries(tmp_path / "canary.json", {"rust": CANARIES})
    for rust, code, told in ((WITH, 0, "rust: on"), (WITHOUT, 1, "rust: off")):
        with listening(EngineStub(["rust"], scores=scored(rust=rust, base=WITHOUT)).app) as url:
            outcome = run("check", url, "--canary", str(tmp_path / "canary.json"))
        assert (outcome.code, told in outcome.out) == (code, True)


def test_a_file_that_is_no_canary_is_refused(refused, tmp_path):
    (tmp_path / "canary.json").write_text("[]")
    assert "export anew" in refused("check", "http://127.0.0.1:9/v1", "--canary", "canary.json")
    assert "missing.json" in refused("check", "http://127.0.0.1:9/v1", "--canary", "missing.json")
