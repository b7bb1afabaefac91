import ast

from datatrove.data import Document

from multipl_moe.corpus.clean.replace_secrets import ReplaceSecrets, without_secrets
from tests.corpus.clean.test_private_keys import LINES
from tests.corpus.clean.test_secret_detectors import SECRETS

PLANTED = "".join(f"x = 1\n{line.format(secret)}" for _, secret, line in SECRETS)
KEY = (
    'KEY = ("-----BEGIN PRIVATE KEY-----\\n"\n       "'
    + '\\n"\n       "'.join(LINES)
    + '\\n"\n       "-----END PRIVATE KEY-----")\n'
)


def test_none_of_the_planted_secrets_is_left():
    text, counts = without_secrets(PLANTED)
    assert [secret for _, secret, _ in SECRETS if secret in text] == []
    assert counts.total() == len(SECRETS) >= 20
    assert text.count("\n") == PLANTED.count("\n")


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
    once, _ = without_secrets(PLANTED + KEY + "# jo@posteo.de 93.184.216.34 2606:2800:220:1:248:1893:25c8:1946\n")
    assert without_secrets(once) == (once, {})


def test_text_without_secrets_is_the_same():
    text = "password = ask()\nhost = '127.0.0.1'\nmail = 'me@example.com'\nversion = '1.2.3.4'\n"
    assert without_secrets(text) == (text, {})


def test_the_step_counts_by_kind_and_language():
    step = ReplaceSecrets()
    documents = [
        Document(text=f"// jo@posteo.de {SECRETS[0][1]}\n", id="a", metadata={"language": "java"}),
        Document(text="# a@posteo.de b@posteo.de\n", id="b", metadata={"language": "ruby"}),
    ]
    texts = [document.text for document in step.run(iter(documents))]
    assert texts == ["// email@example.com REDACTED_AWS_KEY\n", "# email@example.com email@example.com\n"]
    totals = {label: metric.total for label, metric in step.stats.stats.items()}
    assert totals == {"replaced/email/java": 1, "replaced/aws_key/java": 1, "replaced/email/ruby": 2}
