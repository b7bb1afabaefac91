import pytest

from multipl_moe.corpus.private_keys import private_key_runs

from .test_secret_detectors import letters

LINES = [letters(64, seed=number) for number in range(3)] + [letters(22) + "=="]
FORMS = {
    "lines": "-----BEGIN {0}-----\n{1}\n-----END {0}-----\n",
    "escaped": 'key = "-----BEGIN {0}-----\\n{1}\\n-----END {0}-----"\n',
}


@pytest.mark.parametrize(
    "form", ["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
)
@pytest.mark.parametrize(("name", "between"), [("lines", "\n"), ("escaped", "\\n"), ("escaped", '\\n" +\n    "')])
def test_the_runs_are_the_keys_lines_whatever_stands_between(form, name, between):
    text = FORMS[name].format(form, between.join(LINES))
    ((*runs,),) = private_key_runs(text)
    assert [text[start:end] for start, end in runs] == LINES


def test_public_keys_and_headers_alone_are_none():
    body = "\n".join(LINES)
    assert not list(private_key_runs(f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"))
    assert not list(
        private_key_runs('if "-----BEGIN PRIVATE KEY-----" in text:\n    return "-----END PRIVATE KEY-----"\n')
    )
