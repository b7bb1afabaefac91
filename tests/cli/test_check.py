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
    assert said in refused(*_ASK, "canary.json")


@pytest.mark.parametrize("token", ["geh\xe9", "a\nb"])
def test_a_token_that_no_header_can_hold_is_refused(refused, tmp_path, token):
    save_canaries(tmp_path / "canary.json", {"rust": CANARIES})
    assert "--token: " in refused(*_ASK, "canary.json", "--token", token)
