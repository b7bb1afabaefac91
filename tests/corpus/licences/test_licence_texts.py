import io
from pathlib import Path

import pytest

from multipl_moe.corpus.licences.licence_texts import is_licence_name, licences_in_text, repository_licence

APACHE = Path(__file__, "../../../../LICENSE").resolve().read_text(encoding="utf-8")
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
        ({"LICENSE": "All rights reserved; ask us.\n"}, "unknown"),
        ({"README.md": "MIT"}, None),
        ({}, None),
    ],
)
def test_a_repositorys_licence_is_that_of_its_licence_files(files, licence):
    assert licence_of(files) == licence


BSD = """Copyright (c) 2009 The Go Authors. All rights reserved.

Redistribution and use in source and binary forms, with or without modification, are permitted provided that the
following conditions are met:

   * Redistributions of source code must retain the above copyright notice, this list of conditions and the following
disclaimer.
   * Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the
following disclaimer in the documentation and/or other materials provided with the distribution.
   * Neither the name of Google Inc. nor the names of its contributors may be used to endorse or promote products
derived from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES,
INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT OWNER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY,
WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""
RUST_COPYRIGHT = """Short version for non-lawyers:

The Rust Project is dual-licensed under Apache 2.0 and MIT terms.

Longer version:

Copyrights in the Rust project are retained by their contributors. No copyright assignment is required.

The Rust Project includes packages written by third parties, with copyright notices and license terms of their own.
"""
COMMONS_CLAUSE = """"Commons Clause" License Condition v1.0

The Software is provided to you by the Licensor under the License, as defined below, subject to the following
condition. Without limiting other conditions in the License, the grant of rights under the License will not include,
and the License does not grant to you, the right to Sell the Software.

"""
GPL, PROPRIETARY = GPL_NOTICE, "This software is ours. You may look at it, and no more.\n"
OWN_TERMS = "Licensed as the files say.\n"


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({"COPYING": GPL, "jquery-LICENSE.txt": MIT}, "GPL-3.0-or-later AND MIT"),
        ({"LICENSE": GPL, "THIRD_PARTY_LICENSE": MIT}, "GPL-3.0-or-later AND MIT"),
        ({"LICENSE": GPL, "LICENSE-MIT": MIT}, "GPL-3.0-or-later AND MIT"),
        ({"LICENSE": GPL, "LICENSE-APACHE": APACHE, "LICENSE-MIT": MIT}, "GPL-3.0-or-later AND Apache-2.0 AND MIT"),
        ({"react-LICENSE": MIT, "jquery-LICENSE": GPL}, "GPL-3.0-or-later AND MIT"),
        ({"LICENSE": MIT, "LICENSE-APACHE": APACHE, "LICENSE-MIT": MIT}, "Apache-2.0 OR MIT"),
        ({"MIT-LICENSE.txt": MIT, "GPL-LICENSE.txt": GPL}, "GPL-3.0-or-later OR MIT"),
        ({"LICENSE.APACHE2": APACHE, "LICENSE.MIT": MIT}, "Apache-2.0 OR MIT"),
        ({"LICENSE": MIT, "COPYING.txt": MIT}, "MIT"),
        ({"LICENSE": PROPRIETARY, "MIT-LICENSE": MIT}, "unknown"),
        ({"LICENSE-EE": PROPRIETARY, "LICENSE-MIT": MIT}, "unknown"),
        ({"LICENSE": MIT, "COPYING": ""}, "MIT"),
        ({"LICENSE": MIT, "COPYRIGHT": "Someone\nSomebody Else\n"}, "MIT"),
        ({"LICENSE": MIT, "COPYRIGHT": OWN_TERMS}, "MIT"),
        ({"COPYRIGHT": OWN_TERMS}, "unknown"),
        ({"COPYRIGHT": "Someone\nSomebody Else\n"}, None),
        ({"LICENSE": ""}, None),
        ({"COPYRIGHT": RUST_COPYRIGHT, "LICENSE-APACHE": APACHE, "LICENSE-MIT": MIT}, "Apache-2.0 OR MIT"),
        ({"COPYRIGHT": APACHE + BSD, "LICENSE-APACHE": APACHE, "LICENSE-MIT": MIT}, "Apache-2.0 OR MIT"),
        ({"COPYRIGHT": APACHE + BSD}, "Apache-2.0 AND BSD-3-Clause"),
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
        ({"LICENSE": "Dual-licensed under MIT and what we like.\n"}, "unknown"),
        ({"LICENSE": BSD, "PATENTS": "Additional grants"}, "BSD-3-Clause"),
        ({"LICENSE": COMMONS_CLAUSE + APACHE}, "LicenseRef-Commons-Clause AND Apache-2.0"),
        ({"LICENSE": "Business Source License 1.1\n\nChange License: Apache License, Version 2.0\n"}, "BUSL-1.1"),
        ({"LICENSE": "    Server Side Public License\n    VERSION 1, OCTOBER 16, 2018\n"}, "SSPL-1.0"),
        ({"LICENSE.txt": "Elastic License 2.0\n\n## Acceptance\n"}, "Elastic-2.0"),
    ],
)
def test_files_beside_each_other_offer_a_choice_only_where_they_are_called_by_their_licences(files, licence):
    assert licence_of(files) == licence


def test_a_translation_is_no_licence_of_its_own():
    assert not is_licence_name("COPYING.ja")
    assert not is_licence_name("LICENSE_zh_CN.txt")
    assert not is_licence_name("LICENSE-zh_CN.md")


def test_what_a_file_that_cannot_be_read_says_is_unknown():
    def refuse(name: str) -> io.BytesIO:
        raise PermissionError(name)

    assert repository_licence(["LICENSE"], refuse) == "unknown"


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
        "License.kt",
        "license.sql",
        "licensing.rb",
        "main.c",
        "COPYINGS",
    ],
)
def test_other_names(name):
    assert not is_licence_name(name)
