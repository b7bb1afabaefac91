import io
from contextlib import ExitStack
from pathlib import Path

import pytest

from multipl_moe.corpus.candidates import find_files
from multipl_moe.corpus.language_detection import LanguageDetector
from multipl_moe.corpus.licence_texts import is_licence_name, licences_in_text, repository_licence
from multipl_moe.languages import LANGUAGES
from multipl_moe.sections.corpus import SourceSection

APACHE = Path(__file__, "../../../LICENSE").resolve().read_text(encoding="utf-8")
MIT = """MIT License

Copyright (c) 2020 Someone

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without
limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the
Software, and to permit persons to whom the Software is furnished to do so, subject to the following
conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED
TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL
THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
DEALINGS IN THE SOFTWARE.
"""
GPL_NOTICE = """
This program is free software: you can redistribute it and/or modify it under the terms of the GNU General
Public License as published by the Free Software Foundation, either version 3 of the License, or (at your
option) any later version.

This program is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the
implied warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See the GNU General Public License
for more details.

You should have received a copy of the GNU General Public License along with this program. If not, see
<https://www.gnu.org/licenses/>.
"""


def licence_of(files: dict[str, str]) -> str | None:
    return repository_licence(files, lambda name: io.BytesIO(files[name].encode()))


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({"LICENSE": MIT, "main.go": "package main"}, "MIT"),
        ({"LICENSE-APACHE": APACHE, "LICENSE-MIT": MIT}, "Apache-2.0 OR MIT"),
        ({"LICENSE.txt": f"{MIT}\n\n{APACHE}"}, "MIT AND Apache-2.0"),
        ({"COPYING": GPL_NOTICE, "README.md": MIT}, "GPL-3.0-or-later"),
        ({"LICENSE": "All rights reserved; ask us.\n"}, None),
        ({"README.md": "MIT"}, None),
        ({}, None),
    ],
)
def test_a_repositorys_licence_is_that_of_its_licence_files(files, licence):
    assert licence_of(files) == licence


def test_files_that_cannot_be_read_count_as_absent():
    def refuse(name: str) -> io.BytesIO:
        raise PermissionError(name)

    assert repository_licence(["LICENSE"], refuse) is None


def test_the_files_of_a_folder_without_a_given_licence_have_the_folders(tmp_path):
    (tmp_path / "LICENSE").write_text(MIT)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.go").write_text("package a\n")
    for given, licence in ((None, "MIT"), ("ISC", "ISC")):
        source = SourceSection(kind="folder", path=tmp_path, licence=given)
        with ExitStack() as archives:
            files = find_files(source, ["go"], LanguageDetector(LANGUAGES), archives)
            assert [file.licence for file in files if file.path.endswith(".go")] == [licence]


def test_a_licence_between_much_else_is_found_only_if_asked_for():
    text = MIT + "Something else is said here.\n" * 200
    assert licences_in_text(text) == []
    assert licences_in_text(text, part=0.01) == ["MIT"]


@pytest.mark.parametrize(
    "name",
    ["LICENSE", "LICENCE.txt", "license.md", "COPYING", "COPYING.LESSER", "LICENSE-MIT", "MIT-LICENSE", "UNLICENSE"],
)
def test_names_of_licence_files(name):
    assert is_licence_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "README",
        "licenses.py",
        "license_test.go",
        "license.py",
        "license-check.js",
        "licensing.rb",
        "main.c",
        "COPYINGS",
    ],
)
def test_other_names(name):
    assert not is_licence_name(name)
