from datatrove.data import Document

from multipl_moe.corpus.licences.licence_filter import LicenceFilter
from tests.corpus.licences.test_licence_headers import CLASSPATH, GPL, LATER, MIT


def document(text: str, licence: str = "unknown") -> Document:
    return Document(text=text, id="a", metadata={"language": "cpp", "path": "a/b/c.cpp", "licence": licence})


GPL_FILES = [
    document("// SPDX-License-Identifier: GPL-2.0-only\nint x;\n"),
    document("// SPDX-License-Identifier: GPL-3.0+\nint x;\n", "MIT"),
    document(GPL.format(kind="", version=LATER.format(2)), "MIT"),
    document(GPL.format(kind="Lesser ", version="version 2.1."), "Apache-2.0"),
    document(CLASSPATH, "MIT"),
    document("# Released under the GPLv3.\nint x;\n", "MIT"),
    document("# License: GPL-3.0\nint x;\n", "MIT"),
    document("# License: LGPL\nint x;\n", "MIT"),
    document("/* Licensed under the GPL-2 or later. */\nint x;\n", "MIT"),
    document("/* This code is licenced under the GPL version 2. */\nint x;\n", "MIT"),
    document("int x;\n", "GPL-2.0"),
    document("int x;\n", "AGPL-3.0-only AND MIT"),
]
MIT_FILES = [
    document("// SPDX-License-Identifier: MIT OR GPL-2.0-only\nint x;\n"),
    document(MIT, "GPL-2.0-only"),
    document("int x;\n", "mit"),
    document("int x;\n", "GPL-2.0-only OR MIT"),
]


def test_gpl_files_under_an_mit_only_list_are_dropped_and_no_others():
    step = LicenceFilter(allow=["MIT"], unknown="drop")
    assert [step.filter(file) for file in GPL_FILES] == [(False, "licence")] * len(GPL_FILES)
    assert [step.filter(file) for file in MIT_FILES] == [True] * len(MIT_FILES)


def test_what_claims_a_licence_of_its_own_does_not_get_the_sources():
    step = LicenceFilter(allow=["MIT"], unknown="drop")
    refused = document("// Proprietary and confidential; no licence is granted.\nint x;\n", "MIT")
    assert step.filter(refused) == (False, "licence")
    assert refused.metadata["licence"] == "unknown"
    assert step.filter(document("// Copyright Foo. All rights reserved.\nint x;\n", "MIT")) is True


def test_the_expression_is_the_detail_and_the_documents_licence():
    dropped = document(GPL.format(kind="", version=LATER.format(2)), "MIT")
    LicenceFilter(allow=["MIT"]).filter(dropped)
    assert dropped.metadata["detail"] == dropped.metadata["licence"] == "GPL-2.0-or-later"


def test_unknown_licences_are_kept_or_dropped_as_asked():
    for licence in ("unknown", "see LICENSE", "MIT AND something-else"):
        assert LicenceFilter(allow=["MIT"]).filter(document("int x;\n", licence)) is True
        assert LicenceFilter(allow=["MIT"], unknown="drop").filter(document("int x;\n", licence)) == (False, "licence")


def test_without_lists_all_is_kept_and_licences_are_told():
    file = document(MIT)
    assert LicenceFilter().filter(file) is True
    assert file.metadata["licence"] == "MIT"
