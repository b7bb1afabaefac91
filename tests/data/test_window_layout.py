"""Windows: what they hold at the borders of files, and which documents they cut."""

import numpy as np
import pytest

from multipl_moe.data.window_layout import WindowLayout


@pytest.mark.parametrize(
    ("lengths", "files", "cut", "lost"),
    [
        ([4, 4, 4], [3], 0, 0),  # each document is a window
        ([3, 5, 4], [3], 1, 0),
        ([2, 2, 7], [3], 1, 3),
        ([4, 3], [2], 1, 3),  # the second document is lost, all of it
        ([4, 3, 1, 4], [2, 2], 2, 3 + 1),  # windows start anew with each file
    ],
)
def test_documents_that_are_not_whole_in_a_window_are_counted(lengths, files, cut, lost):
    ends = np.cumsum(lengths)
    layout = WindowLayout(ends, ends[np.cumsum(files) - 1], 4)
    assert (layout.counts.cut_documents, layout.counts.lost_tokens) == (cut, lost)


def test_pieces_are_the_documents_of_a_window():
    layout = WindowLayout(np.cumsum([3, 1, 1, 6]), np.array([11]), 4)
    assert [layout.pieces(0)[1].tolist(), layout.pieces(1)[1].tolist()] == [[3, 1], [1, 3]]
    assert layout.num_tokens(np.array([0, 1])).tolist() == [4, 4]
