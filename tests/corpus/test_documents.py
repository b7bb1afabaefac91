"""Reading documents back; tests/cli/test_refusals.py asks for a language that is not there."""

import pytest

from multipl_moe.corpus import read_documents
from multipl_moe.errors import CorpusError


def test_a_broken_file_is_reported(tmp_path):
    path = tmp_path / "documents" / "train" / "go.jsonl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x1f\x8b\x08 cut")
    with pytest.raises(CorpusError, match=r"go\.jsonl\.gz: broken"):
        read_documents(tmp_path, "train", "go")
