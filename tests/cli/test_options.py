"""What verbs share: how flags make a recipe, and who may enter a run folder."""

import pytest

from multipl_moe.cli.options import entered_run, recipe_from_flags
from multipl_moe.errors import OutputError
from multipl_moe.system.staging import held_folder


def test_other_processes_of_a_run_enter_the_folder_that_its_main_process_holds(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with held_folder(tmp_path / "out"):
        for rank in ("1", "0"):
            monkeypatch.setenv("RANK", rank)
            entered = entered_run(tmp_path / "out", False, "training.json", lambda recipe: "")
            if rank == "1":
                with entered:
                    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]
            else:
                with pytest.raises(OutputError, match="out exists"), entered:
                    pytest.fail("entered")


@pytest.mark.parametrize("named", ["train={tokens: 2048}", "train.tokens=2048"])
def test_of_settings_for_the_same_key_the_last_wins(named):
    flags, defaults = {"train.tokens": 1024}, {"train.tokens": 512, "train.learning_rate": 0.25}
    for settings, tokens in (
        ([named], 2048),
        ([named, "train.tokens=4096"], 4096),
        (["train.tokens=4096", named], 2048),
    ):
        train = recipe_from_flags(None, settings, flags, defaults).train
        assert (train.tokens, train.learning_rate) == (tokens, 0.25)
