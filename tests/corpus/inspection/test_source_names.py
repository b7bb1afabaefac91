import pytest

from multipl_moe.corpus.inspection.source_names import source_of


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("src/project/lib/a.rs", "src/project"),
        ("data/rows.jsonl#12/lib/a.rs", "data/rows.jsonl"),
        ("bigcode/the-stack#7", "bigcode/the-stack"),
        ("c#/project/a.cs", "c#/project"),
        ("data/broken.tar", "data/broken.tar"),
    ],
)
def test_a_path_begins_with_its_source(path, source):
    assert source_of(path) == source
