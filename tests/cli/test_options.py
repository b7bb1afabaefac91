"""What verbs share: who may enter a run folder."""

import pytest

from multipl_moe.cli.options import entered_run
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
