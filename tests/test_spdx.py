"""Licences by SPDX's expressions: what a policy permits, and how they are spelt."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from multipl_moe.spdx import LicencePolicy, joined, standard_expression, unknown_licences

_CLASSPATH = "GPL-2.0-only WITH Classpath-exception-2.0"


def assert_permits(policy: LicencePolicy, answers: Mapping[Any, Sequence[str]]) -> None:
    """By what a policy says, None where it does not know, expressions of which it says so."""
    found = {text: policy.permits(text) for texts in answers.values() for text in texts}
    assert found == {text: said for said, texts in answers.items() for text in texts}


def test_expressions_are_understood_under_an_allow_list():
    answers = {
        True: [
            *("MIT", "mit", "MIT OR GPL-2.0-only", "GPL-2.0-only OR MIT", "MIT AND Apache-2.0", "Apache-2.0+"),
            *("(MIT OR GPL-3.0-only) AND Apache-2.0", "Apache-2.0 WITH LLVM-exception", "MIT OR nonsense-1.0"),
        ],
        False: [
            *("MIT AND GPL-2.0-only", "(MIT OR Apache-2.0) AND GPL-3.0-only", "GPL-2.0-only", _CLASSPATH),
            *("LicenseRef-company", "GPL-2.0-only AND nonsense-1.0", "GPL-2.0-only WITH Foo-exception-1.0"),
        ],
        None: [
            *("unknown", "", "see the file LICENSE", "MIT AND nonsense-1.0", "GPL-2.0-only OR nonsense-1.0", "MIT OR"),
            "GPL-2.0 / MIT",
        ],
    }
    assert_permits(LicencePolicy(["MIT", "Apache-2.0"]), answers)


def test_a_deny_list_takes_patterns_beats_what_is_allowed_and_yields_to_a_listed_exception():
    answers = {
        True: ["MIT", "LGPL-2.1-only", "MIT OR GPL-2.0-only", "LicenseRef-company"],
        False: ["GPL-2.0-only", "GPL-2.0+", "GPL-3.0-or-later", _CLASSPATH],
        None: ["unknown"],
    }
    assert_permits(LicencePolicy(None, ["GPL-*", "AGPL-*"]), answers)
    assert LicencePolicy(["MIT"], ["MIT"]).permits("MIT") is False
    listed = {True: [_CLASSPATH], False: ["GPL-2.0-only", "GPL-2.0-only WITH Bison-exception-2.2"]}
    assert_permits(LicencePolicy(["MIT", _CLASSPATH], ["GPL-*"]), listed)
    assert LicencePolicy(["GPL-2.0-only"], [_CLASSPATH]).permits(_CLASSPATH) is False


@pytest.mark.parametrize("allowed", [None, ["MIT", "LGPL-*"]])
def test_what_spdx_does_not_know_is_denied_where_it_names_what_is_denied(allowed):
    answers = {
        True: ["MIT OR GPL-2.0-only WITH Foo-exception-1.0", "MIT OR GPL-9"],
        False: [
            *("GPL-2.0-only WITH Foo-exception-1.0", "GPL-2.0 / MIT", "GPL-2.0/MIT", "GPL-9"),
            "MIT AND GPL-2.0 (see COPYING)",
        ],
        None: [
            *("MIT WITH Foo-exception-1.0", "nonsense WITH Classpath-exception-2.0", "Apache-2.0 / MIT"),
            "LGPL-2.1 / MIT",
        ],
    }
    assert_permits(LicencePolicy(allowed, ["GPL-*"]), answers)


def test_joined_licences_are_bracketed_where_needed():
    assert joined(["MIT OR GPL-2.0-only", "Apache-2.0", "Apache-2.0"]) == "(MIT OR GPL-2.0-only) AND Apache-2.0"
    assert joined(["mit or isc", "0BSD"]) == "(mit or isc) AND 0BSD"
    assert joined(["MIT"]) == "MIT"
    assert joined([]) is None


def test_expressions_get_their_spdx_spelling():
    spelt = {"mit": "MIT", "GPL-2.0+": "GPL-2.0-or-later", "apache-2.0 or mit": "Apache-2.0 OR MIT"}
    spelt |= {"LicenseRef-own": "LicenseRef-own", **dict.fromkeys(("nonsense", "unknown", ""))}
    assert {text: standard_expression(text) for text in spelt} == spelt


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("MTI", "unknown SPDX licence 'MTI'; did you mean 'MIT'?"),
        ("Apache2", "unknown SPDX licence 'Apache2'; did you mean 'Apache-2.0'?"),
        ("GPL-2.0", "'GPL-2.0' is spelt 'GPL-2.0-only' in SPDX"),
        ("MIT OR Apache-2.0", "'MIT OR Apache-2.0' is an expression; name its licences one by one"),
        ("GLP-*", "no SPDX licence matches 'GLP-*'"),
    ],
)
def test_entries_that_name_no_licence_are_reported_with_the_nearest(entry, problem):
    assert unknown_licences(["MIT", "BSD-*", _CLASSPATH, "LicenseRef-own", entry]) == [problem]
