"""`multipl-moe check`: what it says, and its exit codes."""

import json
import math

import pytest

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


_ASK = ("check", "http://127.0.0.1:9/v1", "--canary")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"adapter": "x"}, "adapters.rust.1.adapter: 'x': must be a number"),
        ({"token": 5}, "adapters.rust.1.token: 5: must be text"),
        ({"base": math.nan}, "adapters.rust.1.base: nan: must be a finite number"),
        ({"more": 1}, "adapters.rust.1.more"),
    ],
)
def test_all_canaries_are_checked_before_a_server_is_asked(refused, tmp_path, change, said):
    first, second = ({"prompt": "a", "token": "b", "adapter": -1.0, "base": -2.0} for _ in range(2))
    values = {"format": 1, "adapters": {"rust": [first, second | change]}}
    (tmp_path / "canary.json").write_text(json.dumps(values))
    assert f"canary.json: {said}" in refused(*_ASK, "canary.json")


@pytest.mark.parametrize(
    "changes",
    [[{"control": "<|rust|>"}, {"control": "<|rust|>"}], [{"control": "<|rust|>", "prompt": "\na"}, {}]],
    ids=["no line break", "of one canary alone"],
)
def test_control_tokens_that_cannot_be_asked_with_are_refused(refused, tmp_path, changes):
    one = {"prompt": "a", "token": "b", "adapter": -1.0, "base": -2.0}
    values = {"format": 1, "adapters": {"rust": [one | change for change in changes]}}
    (tmp_path / "canary.json").write_text(json.dumps(values))
    assert "needs the same control token" in refused(*_ASK, "canary.json")


@pytest.mark.parametrize("token", ["geh\xe9", "a\nb"])
def test_a_token_that_no_header_can_hold_is_refused(refused, tmp_path, token):
    save_canaries(tmp_path / "canary.json", {"rust": CANARIES})
    assert "--token: " in refused(*_ASK, "canary.json", "--token", token)
