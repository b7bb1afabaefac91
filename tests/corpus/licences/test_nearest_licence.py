"""Licence files anywhere in folders, git repositories and archives."""

import gzip
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from multipl_moe.corpus.licences import licence_texts
from multipl_moe.corpus.licences.licence_texts import is_licence_name
from multipl_moe.corpus.licences.nearest_licence import NearestLicence
from multipl_moe.corpus.read import archives
from multipl_moe.corpus.read.archives import find_members
from multipl_moe.corpus.read.candidates import find_files
from multipl_moe.corpus.read.language_detection import LanguageDetector
from multipl_moe.languages.table import LANGUAGES
from multipl_moe.recipe.corpus import SourceSection
from tests.corpus.conftest import program
from tests.corpus.licences.test_licence_texts import APACHE, BSD, GPL_NOTICE, MIT
from tests.corpus.read.test_archives import COMPRESS, tar
from tests.corpus.read.test_candidates import commit

# As in many archives, licences come after the code.
FILES = {
    "a.rs": program(1),
    "src/deep/b.rs": program(2),
    "lib/gpl_part/c.rs": program(3),
    "lib/gpl_part/deep/d.rs": program(4),
    "lib/gpl_part/COPYING": GPL_NOTICE,
    "lib/both/e.rs": program(5),
    "lib/both/LICENSE-APACHE": APACHE,
    "lib/both/LICENSE-MIT": MIT,
    "lib/own/f.rs": program(6),
    "lib/own/LICENSE": "Ask us first.",
    "lib/empty/g.rs": program(7),
    "lib/empty/LICENSE": "",
    "LICENSE": BSD,
}
LICENCES = {
    "a.rs": "BSD-3-Clause",
    "b.rs": "BSD-3-Clause",
    "c.rs": "GPL-3.0-or-later",
    "d.rs": "GPL-3.0-or-later",
    "e.rs": "Apache-2.0 OR MIT",
    "f.rs": "unknown",
    "g.rs": "BSD-3-Clause",
}


def write_tree(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def licences(kind: str, path: Path, **keys) -> dict[str, str]:
    source = SourceSection.model_validate({"kind": kind, "path": path, **keys})
    detector = LanguageDetector(LANGUAGES)
    with ExitStack() as open_until:
        rows = find_members(source, "rust", detector) if kind == "archive" else None
        rows = rows or find_files(source, ["rust"], detector, open_until)
        named = {row.path.rpartition("/")[2]: row.licence for row in rows}
    return {name: licence for name, licence in named.items() if not is_licence_name(name)}


def test_the_nearest_licence_files_hold_in_a_folder(tmp_path):
    write_tree(tmp_path, FILES)
    assert licences("folder", tmp_path) == LICENCES
    assert set(licences("folder", tmp_path, licence="ISC").values()) == {"ISC"}


def test_a_folder_of_several_repositories_has_the_licence_of_each(tmp_path):
    write_tree(tmp_path, {"one/x.rs": "", "one/LICENSE": MIT, "two/y.rs": "", "two/COPYING": GPL_NOTICE, "z.rs": ""})
    assert licences("folder", tmp_path) == {"x.rs": "MIT", "y.rs": "GPL-3.0-or-later", "z.rs": "unknown"}


def test_the_nearest_licence_files_hold_in_a_repository_as_of_its_revision(tmp_path):
    write_tree(tmp_path, FILES)
    commit(tmp_path, "v1")
    assert licences("git", tmp_path) == licences("git", tmp_path, revision="v1") == LICENCES
    (tmp_path / "LICENSE").write_text(MIT)
    (tmp_path / "lib" / "gpl_part" / "deep" / "d.rs").unlink()
    (tmp_path / "lib" / "gpl_part" / "deep").rmdir()
    assert licences("git", tmp_path)["a.rs"] == "MIT"
    assert licences("git", tmp_path)["d.rs"] == "GPL-3.0-or-later"
    assert licences("git", tmp_path, revision="v1") == LICENCES


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".zip"])
def test_the_nearest_licence_files_hold_in_an_archive(tmp_path, ending):
    path, files = tmp_path / f"all{ending}", {f"./pkg-1.0/{name}": text for name, text in FILES.items()}
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        path.write_bytes(COMPRESS[ending.removeprefix(".tar")](tar(dict(files))))
    assert licences("archive", path) == LICENCES
    assert set(licences("archive", path, licence="ISC").values()) == {"ISC"}


def test_of_an_archive_that_breaks_off_the_licences_before_hold(tmp_path):
    content = tar({"LICENSE": MIT, "a.rs": program(1), "b.rs": program(2) * 50, "sub/COPYING": GPL_NOTICE})
    (tmp_path / "cut.tar").write_bytes(content[: len(content) // 2])
    assert licences("archive", tmp_path) == {"a.rs": "MIT", "b.rs": "MIT", "cut.tar": "unknown"}


def test_a_licence_member_that_cannot_be_read_is_unknown(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar({"LICENSE": MIT, "x/a.rs": program(1), "x/COPYING": b"\xff\0" * 99}))
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(tar({"b.rs": program(1)})))
    assert licences("archive", tmp_path) == {"a.rs": "unknown", "b.rs": "unknown"}


def test_each_folder_is_looked_at_once(tmp_path):
    asked = []
    nearest = NearestLicence(lambda folder: asked.append(folder) or ("MIT" if folder == "a" else None))
    assert [nearest.of(path) for path in ("a/b/c/x.rs", "a/b/y.rs", "a/z.rs", "w.rs", "v/u.rs", "v/t.rs")] == [
        "MIT", "MIT", "MIT", "unknown", "unknown", "unknown"
    ]  # fmt: skip
    assert asked == ["a/b/c", "a/b", "a", "", "v"]


def test_of_a_licence_file_no_more_than_a_limit_is_read(tmp_path, monkeypatch):
    write_tree(tmp_path, {"a.rs": "", "LICENSE": f"{MIT}\n{APACHE}"})
    (tmp_path / "b.tar").write_bytes(tar({"b.rs": "", "LICENSE": f"{MIT}\n{APACHE}"}))
    for module in (archives, licence_texts):
        monkeypatch.setattr(module, "MAX_LICENCE_BYTES", len(MIT))
    assert licences("folder", tmp_path)["a.rs"] == licences("archive", tmp_path)["b.rs"] == "MIT"
