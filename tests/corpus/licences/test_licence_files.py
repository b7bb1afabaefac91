"""Licence files anywhere in folders, git repositories and archives."""

import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from multipl_moe.corpus.licences import licence_files
from multipl_moe.corpus.licences.licence_files import is_licence_name, licence_of_file, nearest_among
from multipl_moe.corpus.read import archives
from multipl_moe.errors import CorpusError
from tests.corpus.conftest import program
from tests.corpus.read.finding import find
from tests.corpus.read.test_archives import tar
from tests.corpus.read.test_candidates import commit

APACHE = Path(__file__, "../../../../LICENSE").resolve().read_text(encoding="utf-8")
MIT = """
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:
The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.
THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
GPL = """
This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public
License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later
version.
"""
BSD = """
Redistribution and use in source and binary forms, with or without modification, are permitted provided that the
following conditions are met:
* Redistributions of source code must retain the above copyright notice, this list of conditions and the following
disclaimer. * Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the
following disclaimer in the documentation and/or other materials provided with the distribution. * Neither the name of
Google Inc. nor the names of its contributors may be used to endorse or promote products derived from this software
without specific prior written permission.
THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES,
INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT OWNER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY,
WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""
RUST_COPYRIGHT = """
The Rust Project is dual-licensed under Apache 2.0 and MIT terms. It includes packages written by third parties, with
copyright notices and license terms of their own.
"""
COMMONS_CLAUSE = '"Commons Clause" License Condition v1.0: the License does not grant to you the right to Sell.\n'
PROPRIETARY = "This software is ours. You may look at it, and no more.\n"


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({"LICENSE": MIT, "main.go": "package main"}, "MIT"),
        ({"LICENSE.txt": f"{MIT}\n\n{APACHE}"}, "MIT AND Apache-2.0"),
        ({"COPYING": GPL, "README.md": MIT}, "GPL-3.0-or-later"),
        ({"LICENSE": GPL, "THIRD_PARTY_LICENSE": MIT}, "GPL-3.0-or-later AND MIT"),
        ({"LICENSE": GPL, "LICENSE-APACHE": APACHE, "LICENSE-MIT": MIT}, "GPL-3.0-or-later AND Apache-2.0 AND MIT"),
        ({"MIT-LICENSE.txt": MIT, "GPL-LICENSE.txt": GPL}, "GPL-3.0-or-later OR MIT"),
        ({"LICENSE": MIT, "COPYING.txt": MIT}, "MIT"),
        ({"LICENSE": PROPRIETARY, "MIT-LICENSE": MIT}, "unknown"),
        ({"LICENSE": MIT, "COPYRIGHT": "Someone\nSomebody Else\n"}, "MIT"),
        ({"COPYRIGHT": "Licensed as the files say."}, "unknown"),
        ({"COPYRIGHT": RUST_COPYRIGHT, "LICENSE-APACHE": APACHE, "LICENSE-MIT": MIT}, "Apache-2.0 OR MIT"),
        ({"COPYRIGHT": APACHE + BSD, "LICENSE-APACHE": APACHE, "LICENSE-MIT": MIT}, "Apache-2.0 OR MIT"),
        ({"COPYRIGHT": GPL, "LICENSE": MIT}, "GPL-3.0-or-later AND MIT"),
        ({"COPYING": "本プログラムはフリーソフトウェアです", "COPYING.ja": MIT}, "unknown"),
        (
            {
                "LICENSE": "You may use this under either of the licenses in LICENSE.APACHE and LICENSE.BSD.",
                "LICENSE.APACHE": APACHE,
                "LICENSE.BSD": BSD,
            },
            "Apache-2.0 OR BSD-3-Clause",
        ),
        ({"LICENSE": COMMONS_CLAUSE + APACHE}, "LicenseRef-Commons-Clause AND Apache-2.0"),
        ({"LICENSE": "Business Source License 1.1\n\nChange License: Apache License, Version 2.0\n"}, "BUSL-1.1"),
    ],
)
def test_files_beside_each_other_offer_a_choice_only_where_they_are_called_by_their_licences(files, licence):
    nearest = nearest_among(files, lambda name: io.BytesIO(files[name].encode()))
    assert nearest("main.go") == licence


RIDERS = [
    "This software may only be used for teaching.",
    "Use by a company of more than 100 people requires a paid licence.",
    "The software may not be used to train machine learning models.",
    "The above holds for non-commercial purposes.",
    "Distribution of the folder fast/ without an express license agreement is prohibited.",
]


@pytest.mark.parametrize("rider", RIDERS)
def test_a_known_licence_with_a_restriction_beside_it_is_unknown(rider):
    for text in (f"{MIT}\n\n{rider}\n", f"{rider}\n\n{MIT}"):
        assert licence_of_file("LICENSE", text.encode()) == "unknown"
    assert licence_of_file("LICENSE", f"Fast things\n\n{MIT}\nSee README for how to use this.\n".encode()) == "MIT"


def test_what_a_file_that_cannot_be_read_says_is_unknown():
    def refuse(name: str) -> io.BytesIO:
        raise PermissionError(name)

    assert nearest_among(["LICENSE"], refuse)("a.rs") == "unknown"


def test_names_of_licence_files_and_code_translations_and_others_that_are_none():
    names = ["LICENCE.txt", "license.md", "COPYING.LESSER", "LICENSE-MIT", "MIT-LICENSE", "UNLICENSE"]
    assert [name for name in names if not is_licence_name(name)] == []
    others = ["README", "licenses.py", "license_test.go", "license-check.js", "licensing.rb", "main.c", "COPYINGS"]
    others += ["COPYING.ja", "LICENSE_zh_CN.txt", "LICENSE-zh_CN.md"]
    assert [name for name in others if is_licence_name(name)] == []


# As in many archives, licences come after the code.
FILES = {
    "a.rs": program(1),
    "lib/gpl_part/c.rs": program(3),
    "lib/gpl_part/deep/d.rs": program(4),
    "lib/gpl_part/COPYING": GPL,
    "lib/both/e.rs": program(5),
    "lib/both/LICENSE-APACHE": APACHE,
    "lib/both/LICENSE-MIT": MIT,
    "lib/own/f.rs": program(6),
    "lib/own/LICENSE": "Ask us first.",
    "lib/empty/g.rs": program(7),
    "lib/empty/LICENSE": "",
    "lib/empty/COPYRIGHT": "Someone\nSomebody Else\n",
    "LICENSE": BSD,
}
LICENCES = {
    "a.rs": "BSD-3-Clause",
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
    named = {row.path.rpartition("/")[2]: row.licence for row in find(kind, path, "rust", **keys)}
    return {name: licence for name, licence in named.items() if not is_licence_name(name)}


def test_the_nearest_licence_files_hold_in_folders_archives_and_repositories_as_of_their_revision(tmp_path):
    tree, members = tmp_path / "tree", {f"./pkg-1.0/{name}": text for name, text in FILES.items()}
    write_tree(tree, FILES)
    (tmp_path / "all.tar").write_bytes(tar(members))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    for kind, path in (("folder", tree), ("archive", tmp_path / "all.tar"), ("archive", tmp_path / "all.zip")):
        assert licences(kind, path) == LICENCES
        assert set(licences(kind, path, licence="ISC").values()) == {"ISC"}
    commit(tree, "v1")
    assert licences("git", tree) == licences("git", tree, revision="v1") == LICENCES
    for folder in (tree / "lib", tree / "lib" / "empty"):  # of one in a repository those above hold, too
        below = {name: licence for name, licence in LICENCES.items() if list(folder.rglob(name))}
        assert licences("git", folder) == licences("git", folder, revision="v1") == below
    (tree / "LICENSE").write_text(MIT)
    shutil.rmtree(tree / "lib" / "gpl_part" / "deep")
    now = licences("git", tree)
    assert (now["a.rs"], now["d.rs"]) == ("MIT", "GPL-3.0-or-later")
    assert licences("git", tree, revision="v1") == LICENCES


def test_git_runs_no_command_that_a_work_tree_names(tmp_path):
    write_tree(tmp_path / "tree", FILES)
    commit(tmp_path / "tree", "v1")
    command = f"touch {tmp_path / 'run'}; false"
    subprocess.run(["git", "-C", str(tmp_path / "tree"), "config", "core.fsmonitor", command], check=True)
    assert licences("git", tmp_path / "tree") == LICENCES
    assert not (tmp_path / "run").exists()
    with pytest.raises(CorpusError, match="name the one above it"):
        licences("git", tmp_path / "tree" / ".git")


def test_of_an_archive_that_breaks_off_the_licences_before_hold_and_one_that_cannot_be_read_is_unknown(tmp_path):
    content = tar({"LICENSE": MIT, "a.rs": program(1), "b.rs": program(2) * 50, "sub/COPYING": GPL})
    (tmp_path / "cut.tar").write_bytes(content[: len(content) // 2])
    (tmp_path / "other.tar").write_bytes(tar({"LICENSE": MIT, "x/c.rs": program(1), "x/COPYING": b"\xff\0" * 99}))
    assert licences("archive", tmp_path) == {"a.rs": "MIT", "b.rs": "MIT", "cut.tar": "unknown", "c.rs": "unknown"}


def test_of_a_licence_file_no_more_than_a_limit_is_read(tmp_path, monkeypatch):
    write_tree(tmp_path, {"a.rs": "", "LICENSE": f"{MIT}\n{APACHE}"})
    (tmp_path / "b.tar").write_bytes(tar({"b.rs": "", "LICENSE": f"{MIT}\n{APACHE}"}))
    for module in (archives, licence_files):
        monkeypatch.setattr(module, "MAX_LICENCE_BYTES", len(MIT))
    assert licences("folder", tmp_path)["a.rs"] == licences("archive", tmp_path)["b.rs"] == "MIT"
