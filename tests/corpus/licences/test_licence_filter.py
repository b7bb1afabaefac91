import pytest
from datatrove.data import Document

from multipl_moe.corpus.licences.licence_files import refused_licence, tagged_licence
from multipl_moe.spdx import LicencePolicy


def document(text: str, licence: str = "unknown") -> Document:
    return Document(text=text, id="a", metadata={"language": "cpp", "path": "a/b/c.cpp", "licence": licence})


GPL_FILES = [
    document("// SPDX-License-Identifier: GPL-2.0-only\nint x;\n"),
    document("// SPDX-License-Identifier: GPL-3.0+\nint x;\n", "MIT"),
    document("/*\n * Copyright Me\n * SPDX-License-Identifier: MIT AND LGPL-2.1-only\n */\nint x;\n", "MIT"),
    document("-- SPDX-License-Identifier: MIT/GPL-3.0-only\nreturn 1\n"),
    document("// SPDX-License-Identifier: MIT, GPL-3.0-only\nint x;\n"),
    document("# SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: GPL-2.0-or-later\nx = 1\n"),
    document("int x;\n", "GPL-2.0"),
    document("int x;\n", "AGPL-3.0-only AND MIT"),
]
MIT_FILES = [
    document("// SPDX-License-Identifier: MIT OR GPL-2.0-only\nint x;\n"),
    document("// SPDX-License-Identifier: MIT\nint x;\n", "GPL-2.0-only"),
    document("int x;\n", "mit"),
    document("int x;\n", "GPL-2.0-only OR MIT"),
]


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("// SPDX-License-Identifier: (MIT OR GPL-2.0+)\nint x;\n", "MIT OR GPL-2.0-or-later"),
        ("# SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: ISC OR 0BSD\nx = 1\n", "MIT AND (ISC OR 0BSD)"),
        ("-- spdx-license-identifier: of-ours\n", "of-ours"),
        ("--[[ SPDX-License-Identifier: MIT ]]\r\nreturn 1\n", "MIT"),
        ("<!-- SPDX-License-Identifier: (MIT OR ISC) -->\n", "MIT OR ISC"),
        ("(* SPDX-License-Identifier: (MIT OR ISC) *)\nlet x = 1\n", "MIT OR ISC"),
        ("/* SPDX-License-Identifier: MIT **/ int x;\n", "MIT"),
        ('"""Text.\nSPDX-License-Identifier: MIT"""\nx = 1\n', "MIT"),
        ("// SPDX-License-Identifier: MIT \\\nint x;\n", "MIT"),
        ("x = 1\n# SPDX-License-Identifier: LicenseRef-a_b  # ours\n", "LicenseRef-a_b"),
        ('x = "SPDX-License-Identifier: GPL-2.0-only"\n', None),
        ('TAGS = [\n    "SPDX-License-Identifier: GPL-2.0-only",\n]\n', None),
        ("x = 1\n" * 2000 + "# SPDX-License-Identifier: MIT\n", None),
        ("# Released under the GPLv3.\n", None),
    ],
)
def test_a_files_own_tags_are_read_where_they_begin_a_line(text, licence):
    assert tagged_licence(text) == licence


def test_gpl_files_under_an_mit_only_list_are_refused_for_their_expression_and_no_others():
    policy = LicencePolicy(["MIT"])
    refused = [refused_licence(policy, "drop", file) for file in GPL_FILES]
    assert None not in refused
    assert refused == [file.metadata["licence"] for file in GPL_FILES]
    assert refused[1] == "GPL-3.0-or-later"
    assert [refused_licence(policy, "drop", file) for file in MIT_FILES] == [None] * len(MIT_FILES)


def test_unknown_licences_are_kept_or_dropped_as_asked_and_all_are_kept_without_lists():
    for licence in ("unknown", "see LICENSE", "MIT AND something-else"):
        file = document("int x;\n", licence)
        assert refused_licence(LicencePolicy(["MIT"]), "keep", file) is None
        assert refused_licence(LicencePolicy(["MIT"]), "drop", file) == licence
        assert refused_licence(LicencePolicy(None), "keep", file) is None
