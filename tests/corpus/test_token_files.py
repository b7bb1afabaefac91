"""Broken token files are refused; tests/data/test_packed.py reads whole ones."""

import pytest

from multipl_moe.corpus.token_files import TokenFiles
from multipl_moe.errors import CorpusError
from tests.corpus.token_files import write_tokens


@pytest.mark.parametrize("place", [0, 6, 9])
def test_a_token_that_the_vocabulary_lacks_is_refused_wherever_it_lies(tmp_path, monkeypatch, place):
    monkeypatch.setattr("multipl_moe.corpus.token_files._READ_TOKENS", 4)
    tokens = write_tokens(tmp_path, [10])
    TokenFiles(tmp_path).require_ids_below(10)
    tokens[place] = 60
    tokens.astype("uint16").tofile(tmp_path / "00000.ds")
    with pytest.raises(CorpusError, match=r"00000\.ds: token 60 is none of the model's 60"):
        TokenFiles(tmp_path).require_ids_below(60)
    TokenFiles(tmp_path).require_ids_below(61)


def test_tokens_of_no_use_are_refused_with_the_reason(tmp_path):
    with pytest.raises(CorpusError, match="no tokens"):
        TokenFiles(tmp_path)
    write_tokens(tmp_path, [3])
    (tmp_path / "00000.ds").write_bytes(b"12345")
    with pytest.raises(CorpusError, match="does not have the 3 tokens"):
        TokenFiles(tmp_path)
    (tmp_path / "00000.ds.index").unlink()
    with pytest.raises(CorpusError, match="missing or empty"):
        TokenFiles(tmp_path)
