"""Archives as sources: every format, what is left out, and what happens when one breaks off."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pyarrow
import pytest

from tests.corpus.conftest import program
from tests.corpus.read.finding import find

FILES = {"pkg/a.rs": program(1), "pkg/b.py": program(2), "pkg/deep/c.rs": program(3)}


def zstd(content: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


# Levels with small blocks, so that what comes before a cut can be read.
SMALL_BZ2, SMALL_XZ = partial(bz2.compress, compresslevel=1), partial(lzma.compress, preset=0)
COMPRESS = {"": bytes, ".gz": gzip.compress, ".bz2": SMALL_BZ2, ".xz": SMALL_XZ, ".zst": zstd}


def tar(members: Mapping[str, str | bytes | tarfile.TarInfo]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            content = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def members(path: Path, of: str = "rust", **keys) -> list[tuple[str, str | None]]:
    """Path inside the archive and content of every candidate; None where it cannot be read."""
    return [(found.path, found.text) for found in find("archive", path, of, **keys)]


@pytest.mark.parametrize("ending", COMPRESS)
def test_tar_archives_are_read_in_every_compression(tmp_path, ending):
    path = tmp_path / f"pkg.tar{ending}"
    path.write_bytes(COMPRESS[ending](tar(FILES)))
    name = f"{tmp_path.name}/{path.name}"
    assert members(path) == [(f"{name}/pkg/a.rs", program(1)), (f"{name}/pkg/deep/c.rs", program(3))]
    assert [path for path, _ in members(path, "go", language="go")] == [f"{name}/{file}" for file in FILES]


def test_zip_archives_and_folders_of_archives_are_read(tmp_path):
    (tmp_path / "sub").mkdir()
    with zipfile.ZipFile(tmp_path / "sub" / "pkg.ZIP", "w") as archive:
        archive.writestr("pkg/", "")
        for name, text in FILES.items():
            archive.writestr(name, text)
    (tmp_path / "one-1.0.crate").write_bytes(gzip.compress(tar({"src/z.rs.gz": gzip.compress(program(4).encode())})))
    (tmp_path / "notes.txt").write_text("no archive")
    assert [text for _, text in members(tmp_path)] == [program(4), program(1), program(3)]


def test_links_and_members_that_lead_outside_are_left_out(tmp_path):
    link, hard = tarfile.TarInfo("link.rs"), tarfile.TarInfo("hard.rs")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    hard.type, hard.linkname = tarfile.LNKTYPE, "good.rs"
    outside = dict.fromkeys(("../up.rs", "a/../../up.rs", "/abs.rs", ".git/x.rs", "a/site-packages/x.rs"), program(5))
    (tmp_path / "a.tar").write_bytes(tar({"good.rs": program(1), "link": link, "hard": hard, **outside}))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        symlink = zipfile.ZipInfo("link.rs")
        symlink.external_attr = 0o120777 << 16
        archive.writestr(symlink, "/etc/hostname")
        archive.writestr("../up.rs", program(5))
        archive.writestr("./good.rs", program(2))
    assert [path.rsplit("/", 1)[1] for path, _ in members(tmp_path)] == ["good.rs", "good.rs"]


@pytest.mark.parametrize("ending", COMPRESS)
def test_of_an_archive_that_breaks_off_what_came_before_counts(tmp_path, ending):
    rng = random.Random(0)
    noise = {f"{number}.rs": rng.randbytes(20_000).hex() for number in range(9)}
    whole = COMPRESS[ending](tar({"first.rs": program(1), **noise}))
    path = tmp_path / f"cut.tar{ending}"
    path.write_bytes(whole[: len(whole) * 3 // 4])
    found = members(path)
    assert found[0][1] == program(1)
    assert found[-1] == (f"{tmp_path.name}/{path.name}", None)
    read = [text for _, text in found if text is not None]
    assert read[1:] == list(noise.values())[: len(read) - 1]


def test_a_broken_header_in_the_middle_is_no_end(tmp_path):
    content = bytearray(tar({f"{seed}.rs": program(seed) for seed in range(3)}))
    second = content.index(b"1.rs\0")
    content[second : second + 512] = b"x" * 512
    (tmp_path / "a.tar").write_bytes(content)
    assert [text for _, text in members(tmp_path)] == [program(0), None]


def test_archives_that_are_none_count_as_unreadable(tmp_path):
    for name in ("a.zip", "b.tar.gz", "c.tar", "d.tar.zst"):
        (tmp_path / name).write_bytes(b"something else " * 100)
    assert [text for _, text in members(tmp_path)] == [None] * 4
