import pytest

from multipl_moe.spdx import LicencePolicy, joined, standard_expression, unknown_licences


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("mit", True),
        ("MIT OR GPL-2.0-only", True),
        ("GPL-2.0-only OR MIT", True),
        ("MIT AND GPL-2.0-only", False),
        ("MIT AND Apache-2.0", True),
        ("(MIT OR GPL-3.0-only) AND Apache-2.0", True),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", False),
        ("GPL-2.0-only", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("Apache-2.0+", True),
        ("LicenseRef-company", False),
        ("unknown", None),
        ("", None),
        ("see the file LICENSE", None),
        ("MIT OR nonsense-1.0", True),
        ("MIT AND nonsense-1.0", None),
        ("GPL-2.0-only AND nonsense-1.0", False),
        ("GPL-2.0-only OR nonsense-1.0", None),
        ("MIT OR", None),
        ("GPL-2.0-only WITH Foo-exception-1.0", False),
        ("GPL-2.0 / MIT", None),
    ],
)
def test_expressions_are_understood_under_an_allow_list(expression, allowed):
    assert LicencePolicy(["MIT", "Apache-2.0"]).permits(expression) is allowed


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-2.0-only", False),
        ("GPL-2.0+", False),
        ("GPL-3.0-or-later", False),
        ("LGPL-2.1-only", True),
        ("MIT OR GPL-2.0-only", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("LicenseRef-company", True),
        ("unknown", None),
    ],
)
def test_a_deny_list_takes_patterns(expression, allowed):
    assert LicencePolicy(None, ["GPL-*", "AGPL-*"]).permits(expression) is allowed


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("GPL-2.0-only WITH Foo-exception-1.0", False),
        ("MIT WITH Foo-exception-1.0", None),
        ("nonsense WITH Classpath-exception-2.0", None),
        ("MIT OR GPL-2.0-only WITH Foo-exception-1.0", True),
        ("GPL-2.0 / MIT", False),
        ("GPL-2.0/MIT", False),
        ("MIT AND GPL-2.0 (see COPYING)", False),
        ("GPL-9", False),
        ("Apache-2.0 / MIT", None),
        ("LGPL-2.1 / MIT", None),
        ("MIT OR GPL-9", True),
    ],
)
def test_what_spdx_does_not_know_is_denied_where_it_names_what_is_denied(expression, allowed):
    assert LicencePolicy(None, ["GPL-*"]).permits(expression) is allowed
    assert LicencePolicy(["MIT", "LGPL-*"], ["GPL-*"]).permits(expression) is allowed


def test_joined_licences_are_bracketed_where_needed():
    assert joined(["MIT OR GPL-2.0-only", "Apache-2.0", "Apache-2.0"]) == "(MIT OR GPL-2.0-only) AND Apache-2.0"
    assert joined(["mit or isc", "0BSD"]) == "(mit or isc) AND 0BSD"
    assert joined(["MIT"]) == "MIT"
    assert joined([]) is None


def test_an_exception_that_is_listed_makes_a_denied_licence_allowed():
    classpath = "GPL-2.0-only WITH Classpath-exception-2.0"
    policy = LicencePolicy(["MIT", classpath], ["GPL-*"])
    assert policy.permits(classpath) is True
    assert policy.permits("GPL-2.0-only") is False
    assert policy.permits("GPL-2.0-only WITH Bison-exception-2.2") is False
    assert LicencePolicy(["GPL-2.0-only"], [classpath]).permits(classpath) is False
    assert LicencePolicy(["MIT"], ["MIT"]).permits("MIT") is False


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("mit", "MIT"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("apache-2.0 or mit", "Apache-2.0 OR MIT"),
        ("LicenseRef-own", "LicenseRef-own"),
        ("nonsense", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_expressions_get_their_spdx_spelling(text, expression):
    assert standard_expression(text) == expression


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
    assert unknown_licences(["MIT", entry]) == [problem]


def test_ids_exceptions_patterns_and_own_licences_are_entries():
    assert unknown_licences(["MIT", "BSD-*", "GPL-2.0-only WITH Classpath-exception-2.0", "LicenseRef-own"]) == []
