"""Reading documents back."""

import pytest

from multipl_moe.corpus import read_documents
from multipl_moe.errors import CorpusError


def test_a_language_that_is_not_there_is_named_beside_those_that_are(corpus):
    with pytest.raises(CorpusError, match="no validation documents in go; there are: python, rust"):
        read_documents(corpus[0], "validation", "go")


def test_a_broken_file_is_reported(tmp_path):
    path = tmp_path / "documents" / "train" / "go.jsonl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x1f\x8b\x08 cut")
    with pytest.raises(CorpusError, match=r"go\.jsonl\.gz: broken"):
        read_documents(tmp_path, "train", "go")
