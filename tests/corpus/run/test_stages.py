"""What is known of a stage from its logs."""

import pytest
from datatrove.executor import LocalPipelineExecutor

from multipl_moe.corpus.run.stages import Stage
from multipl_moe.corpus.run.watch import quiet
from multipl_moe.errors import CorpusError

STAGE = Stage("2_try", "Trying", 3, list)


def test_the_log_that_datatrove_writes_tells_of_a_users_error(tmp_path):
    def refuse(data, rank, world_size):
        raise CorpusError("corpus.sources: /x: no such folder")

    with quiet(tmp_path / "quiet"), pytest.raises(CorpusError):
        LocalPipelineExecutor([refuse], tasks=3, workers=1, logging_dir=str(tmp_path / "2_try")).run()
    with pytest.raises(CorpusError, match=r"^corpus.sources: /x: no such folder$"):
        STAGE.require_done(tmp_path)
