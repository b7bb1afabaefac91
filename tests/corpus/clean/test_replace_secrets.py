import ast

import pytest

from multipl_moe.corpus.clean.replace_secrets import without_secrets
from tests.corpus.clean.test_secret_detectors import SECRETS, letters

LINES = [letters(64, seed=number) for number in range(3)] + [letters(22) + "=="]
PLANTED = "".join(f"x = 1\n{line.format(secret)}" for _, secret, line in SECRETS)
KEY = (
    'KEY = ("-----BEGIN PRIVATE KEY-----\\n"\n       "'
    + '\\n"\n       "'.join(LINES)
    + '\\n"\n       "-----END PRIVATE KEY-----")\n'
)


def test_all_else_stays_and_strings_keep_their_quotes():
    secret = SECRETS[0][1]
    text, _ = without_secrets(f'a = "{secret}"  # by jo@posteo.de from 93.184.216.34\nb = 2\n')
    assert text == 'a = "REDACTED_AWS_KEY"  # by email@example.com from 192.0.2.1\nb = 2\n'


def test_code_with_a_private_key_still_parses():
    text, counts = without_secrets(KEY)
    assert counts == {"private_key": 1}
    assert not any(line in text for line in LINES)
    assert (
        ast.literal_eval(text.removeprefix("KEY = "))
        == "-----BEGIN PRIVATE KEY-----\nREDACTED_PRIVATE_KEY\n\n\n\n-----END PRIVATE KEY-----"
    )


def test_a_second_pass_changes_nothing():
    planted = PLANTED + KEY + "# jo@posteo.de 93.184.216.34\n"
    once, counts = without_secrets(planted)
    assert (counts.total(), once.count("\n")) == (len(SECRETS) + 3, planted.count("\n"))
    assert without_secrets(once) == (once, {})


@pytest.mark.parametrize(
    "form", ["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
)
@pytest.mark.parametrize("between", ["\n", "\\n", '\\n" +\n    "'])
def test_of_a_private_key_the_lines_go_whatever_stands_between(form, between):
    text, counts = without_secrets(
        f'"-----BEGIN {form}-----{between}{between.join(LINES)}{between}-----END {form}-----"\n'
    )
    begin = f'"-----BEGIN {form}-----{between}REDACTED_PRIVATE_KEY'
    assert text == f'{begin}{between * len(LINES)}-----END {form}-----"\n'
    assert counts == {"private_key": 1}


@pytest.mark.parametrize("between", ["\n", "\r\n", "\\n", '\\n" +\n    "'])
@pytest.mark.parametrize("num_lines", [1, 4])
@pytest.mark.parametrize("head", ["", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,3F17F5316E2BAC89\n\n"])
def test_a_key_without_an_end_goes_up_to_its_last_line(between, num_lines, head):
    begin = f"-----BEGIN RSA PRIVATE KEY-----\n{head}"
    for rest in ("", '"\n\ncall_of_a_function_with_a_long_name(x)\nAnotherLongNameOfTheProgram\n', f"\n{begin}"):
        text, counts = without_secrets(begin + between.join(LINES[:num_lines]) + rest)
        assert text == f"{begin}REDACTED_PRIVATE_KEY{between * (num_lines - 1)}{rest}"
        assert counts == {"private_key": 1}


def test_public_keys_and_headers_alone_are_no_private_keys():
    for text in (
        f"-----BEGIN PUBLIC KEY-----\n{LINES[0]}\n-----END PUBLIC KEY-----\n",
        'if "-----BEGIN PRIVATE KEY-----" in text:\n    return "-----END PRIVATE KEY-----"\n',
        'BEGIN = "-----BEGIN PRIVATE KEY-----"\nvalidateTheWholeChainOfCertificates(1)\n',
    ):
        assert without_secrets(text) == (text, {})
