"""Reading a revision with git's plumbing."""

import gzip
import random
import tracemalloc

import pytest

from multipl_moe.corpus.read.git import BlobReader, GitRepository
from multipl_moe.errors import CorpusError
from tests.corpus.conftest import write_files
from tests.corpus.read.test_candidates import commit


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    write_files(tree / "src", ".rs", 2)
    (tree / "näme\n.rs").write_text("odd")
    (tree / "link.rs").symlink_to("/etc/hostname")
    commit(tree, "v1")
    return tree


def test_nothing_is_read_through_links_that_a_work_tree_has(tree, tmp_path):
    assert set(GitRepository(tree).tracked_files()) == {"src/file_0.rs", "src/file_1.rs", "näme\n.rs"}
    (tree / "src").rename(tmp_path / "elsewhere")
    (tree / "src").symlink_to(tmp_path / "elsewhere")
    assert GitRepository(tree).tracked_files() == ["näme\n.rs"]
    (tmp_path / "way").symlink_to(tree)
    assert GitRepository(tmp_path / "way").tracked_files() == ["näme\n.rs"]


def test_one_process_reads_all_contents_and_ends_with_the_reader(tree):
    for revision in ("v2", "--all", "v1:src"):
        with pytest.raises(CorpusError, match=f"no revision '{revision}'"):
            list(GitRepository(tree).files_of(revision))
    ids = {path: object_id for path, object_id, _ in GitRepository(tree).files_of("v1")}
    with BlobReader(tree) as blobs:
        texts = {path: blobs.open(object_id).read().decode() for path, object_id in ids.items()}
        process = blobs._process
        with pytest.raises(OSError, match="no object"):
            blobs.open("0" * 40)
        assert blobs.open(ids["näme\n.rs"]).read() == b"odd"
    assert texts["src/file_0.rs"] == (tree / "src" / "file_0.rs").read_text()
    assert process is not None
    assert process.returncode == 0


@pytest.mark.parametrize("compress", [False, True])
def test_of_a_large_file_no_more_is_held_than_is_asked_for(tree, compress):
    content = random.Random(0).randbytes(1 << 20) * 3
    (tree / "large").write_bytes(gzip.compress(content, 1) if compress else content)
    commit(tree, "v2")
    ids = {path: object_id for path, object_id, _ in GitRepository(tree).files_of("v2")}
    with BlobReader(tree) as blobs:
        blobs.open(ids["näme\n.rs"])
        tracemalloc.start()
        try:
            large = blobs.open(ids["large"])
            begin = (gzip.GzipFile(fileobj=large) if compress else large).read(1000)
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()
        assert begin == content[:1000]
        assert blobs.open(ids["näme\n.rs"]).read() == b"odd"  # while the large one is open
        if not compress:
            assert large.read() == content[1000:]
        process = large.raw._process
        large.close()
        assert process.returncode is not None
