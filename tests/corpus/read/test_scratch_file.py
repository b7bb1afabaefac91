"""Contents on disk: read back after any removals, in a file that stays small."""

import os
import random

from multipl_moe.corpus.read import scratch_file
from multipl_moe.corpus.read.scratch_file import ScratchFile


def test_what_was_not_removed_is_read_back_and_gaps_are_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch_file, "_LEAST_WASTE", 500)
    rng, contents = random.Random(0), ScratchFile(tmp_path / "made")
    held, sizes = {}, []
    for number in range(3000):
        content = rng.randbytes(rng.choice([0, 1, 10, 100]))
        held[contents.add(content)] = content
        if len(held) > 20 or (number > 2000 and len(held) > 3):
            for piece in rng.sample(list(held), 2):
                contents.remove(piece)
                del held[piece]
        if number % 50 == 0:
            assert all(contents.open(piece).read() == content for piece, content in held.items())
        size = sum(map(len, held.values()))
        sizes.append(contents._end)
        assert contents._end <= 2 * size + 500 + 100
    assert max(sizes) > 500  # of 80,000 bytes put in
    contents.open(next(iter(held)))
    assert os.fstat(contents._file.fileno()).st_size == contents._end


def test_the_file_has_no_name(tmp_path):
    contents = ScratchFile(tmp_path)
    assert contents.open(contents.add(b"one")).read() == b"one"
    assert list(tmp_path.iterdir()) == []
