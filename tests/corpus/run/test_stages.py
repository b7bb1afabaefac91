"""What is known of a stage from its logs: tasks left, totals, and what stopped the others."""

import pytest
from datatrove.executor import LocalPipelineExecutor

from multipl_moe.corpus.run.stages import Stage
from multipl_moe.corpus.run.watch import quiet
from multipl_moe.errors import CorpusError, TasksUnfinishedError

STAGE = Stage("2_try", "Trying", 3, list)


def write_log(logs, task: int, text: str) -> None:
    file = logs / "2_try" / "logs" / f"task_{task:05d}.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def mark_done(logs, *tasks: int) -> None:
    folder = logs / "2_try" / "completions"
    folder.mkdir(parents=True, exist_ok=True)
    for task in tasks:
        (folder / f"{task:05d}").touch()


def test_the_log_that_datatrove_writes_tells_of_a_users_error(tmp_path):
    def refuse(data, rank, world_size):
        raise CorpusError("corpus.sources: /x: no such folder")

    with quiet(tmp_path / "quiet"), pytest.raises(CorpusError):
        LocalPipelineExecutor([refuse], tasks=3, workers=1, logging_dir=str(tmp_path / "2_try")).run()
    with pytest.raises(CorpusError, match=r"^corpus.sources: /x: no such folder$"):
        STAGE.require_done(tmp_path)


def test_tasks_that_ended_for_another_reason_are_counted(tmp_path):
    mark_done(tmp_path, 0)
    write_log(tmp_path, 1, "Traceback\n\nZeroDivisionError: division by zero\n")
    with pytest.raises(TasksUnfinishedError, match=r"Trying: 2 of 3 tasks ended without being done; see .*2_try"):
        STAGE.require_done(tmp_path)
    mark_done(tmp_path, 1, 2)
    STAGE.require_done(tmp_path)
