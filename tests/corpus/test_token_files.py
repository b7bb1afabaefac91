"""Token files: one row of places, whatever files they are in; broken ones refused."""

import numpy as np
import pytest

from multipl_moe.corpus.token_files import TokenFiles
from multipl_moe.errors import CorpusError
from tests.corpus.token_files import write_tokens


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_several_files_follow_each_other(tmp_path, dtype):
    first = write_tokens(tmp_path, [9, 2], dtype, name="00000.ds")
    second = write_tokens(tmp_path, [4, 5], dtype, name="00001.ds", first=2)
    files = TokenFiles(tmp_path)
    assert files.num_tokens == 20
    assert files.file_ends.tolist() == [11, 20]
    assert files.document_ends.tolist() == [9, 11, 15, 20]
    assert files.read(3, 8).tolist() == first[3:].tolist()
    assert files.read(11, 4).tolist() == second[:4].tolist()
    assert files.read(19, 1).tolist() == second[-1:].tolist()


def test_the_hash_tells_other_documents(tmp_path):
    write_tokens(tmp_path / "one", [3, 4])
    write_tokens(tmp_path / "same", [3, 4])
    write_tokens(tmp_path / "other", [4, 3])
    one, same, other = (TokenFiles(tmp_path / name).sha256 for name in ("one", "same", "other"))
    assert one == same != other


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
