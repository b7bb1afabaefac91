import pytest

from multipl_moe.corpus.clean.private_keys import private_key_runs
from tests.corpus.clean.test_secret_detectors import letters

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


@pytest.mark.parametrize("between", ["\n", "\r\n", "\\n", '\\n" +\n    "'])
@pytest.mark.parametrize("num_lines", [1, 3, 4])
@pytest.mark.parametrize("head", ["", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,3F17F5316E2BAC89\n\n"])
def test_a_key_without_an_end_goes_up_to_its_last_line(between, num_lines, head):
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{head}" + between.join(LINES[:num_lines])
    for rest in ("", '"\n\ncall_of_a_function_with_a_long_name(x)\nAnotherLongNameOfTheProgram\n', f"\n{UNCLOSED}"):
        text = key + rest
        runs = list(private_key_runs(text))
        assert [text[start:end] for start, end in runs[0]] == LINES[:num_lines]
        assert len(runs) == (2 if rest.endswith(UNCLOSED) else 1)


UNCLOSED = "-----BEGIN EC PRIVATE KEY-----\n" + letters(64, seed=9)


def test_public_keys_and_headers_alone_are_none():
    body = "\n".join(LINES)
    assert not list(private_key_runs(f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"))
    assert not list(
        private_key_runs('if "-----BEGIN PRIVATE KEY-----" in text:\n    return "-----END PRIVATE KEY-----"\n')
    )
    assert not list(private_key_runs('BEGIN = "-----BEGIN PRIVATE KEY-----"\nvalidateTheWholeChainOfCertificates(1)\n'))
