"""No secret stands here in full, real or invented: scanners of repositories would find it."""

import base64
import json
import random
import string
import time

import pytest

from multipl_moe.corpus.clean.secret_detectors import find_secrets


def letters(number: int, alphabet: str = string.ascii_letters + string.digits, seed: int = 0) -> str:
    return "".join(random.Random(seed + number).choices(alphabet, k=number))


def jwt(seed: int) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": letters(12, seed=seed), "iat": 1516239022 + seed}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, letters(43, seed=seed)])


UPPER = string.ascii_uppercase + string.digits
SECRETS = [
    ("aws_key", "AKIA" + letters(16, UPPER), 'client = boto3.client("s3", aws_access_key_id="{}")\n'),
    ("aws_key", "ASIA" + letters(16, UPPER, 1), "export AWS_ACCESS_KEY_ID={}\n"),
    ("aws_key", letters(40, seed=2), "aws_secret_access_key = '{}'\n"),
    ("github_token", "ghp_" + letters(36), 'const token = "{}";\n'),
    ("github_token", "gho_" + letters(36, seed=1), "Authorization: token {}\n"),
    ("github_token", "github_pat_" + letters(82), 'TOKEN := "{}"\n'),
    ("gitlab_token", "glpat-" + letters(20), "let t = String::from(\"{}\");\n"),
    ("slack_token", "xoxb-" + letters(12, string.digits) + "-" + letters(24), 'slack = "{}"\n'),
    ("slack_token", f"https://hooks.slack.com/services/T{letters(8, UPPER)}/B{letters(8, UPPER, 1)}/{letters(24)}",
     'url = "{}"\n'),
    ("stripe_key", "sk_live_" + letters(24), "Stripe.apiKey = \"{}\";\n"),
    ("jwt", jwt(1), "// curl -H 'Authorization: Bearer {}'\n"),
    ("jwt", jwt(2), 'String jwt = "{}";\n'),
    ("url_password", "q7" + letters(9), 'db = connect("postgres://admin:{}@db.corp.io:5432/main")\n'),
    ("url_password", "Z9" + letters(14, seed=3), "# git clone https://bot:{}@git.corp.io/x.git\n"),
    ("google_key", "AIza" + letters(35), '<script src="maps?key={}"></script>\n'),
    ("sendgrid_key", "SG." + letters(22) + "." + letters(43), "send(key: '{}')\n"),
    ("discord_token", f"M{letters(23)}.{letters(6)}.{letters(27)}", 'bot.run("{}")\n'),
    ("telegram_token", letters(9, string.digits[1:]) + ":AA" + letters(33), 'Bot::new("{}")\n'),
    ("url_password", "p%40" + letters(8, seed=13), "url = 'postgres://svc:{}@db.corp.io'\n"),
    ("npm_token", "npm_" + letters(36), "run: publish --token {}\n"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "secret", "line"), SECRETS)
def test_planted_secrets_are_found_exactly(kind, secret, line):
    text = "x = 1\n" * 5 + line.format(secret) + "y = 2\n"
    start = text.index(secret)
    spans = [span for span in find_secrets(text) if span.start < start + len(secret) and span.end > start]
    assert (start, start + len(secret), kind) in [(span.start, span.end, span.kind) for span in spans]


@pytest.mark.parametrize(
    "line",
    [
        r"re.match(r'https://(\w+):(\w+)@(\w+)', url1)",
        'url = "https://"+user1+":"+pass1+"@"+host1',
        'connect("http://user:password@host/")',
        'fmt.Sprintf("http://%s:%s@%s", user, password, host)',
        "https://user1:{password1}@host",
        "import npm_package_json_of_the_whole_tree_1",
        "AKIA" + "IOSFODNN7EXAMPLE",
        'password = "changeme123"',
        'password = "t4' + letters(12, seed=5) + '"',
        'sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"',
        "AC" + "e" * 32,
        "class ACCESS_FLAG_SKIPPING; int eyJ;",
        # addresses that are nobody's, and what only looks like one
        "jo@example.com, jo@mail.example.org, jo@host.example, a@foo.com, root@localhost",
        "git clone git@github.com:me/x.git",
        "C = A@B.sum(0); D = x@y.T; E = self.w@other.dot(v)",
        "require left-pad@1.2.3; icon@2x.png; golang.org/x/net@v0.1.0; render@view.js",
        "ssh://deploy@corp.io/x.git; //see https://corp.io/~who@it.dev/",
        "@Override\n@foo.bar\n @app.route('/')",
        '"0x#{@addr.to_s(16)}"; A@B.to(device); user@view.it_is',
        # private and documentation networks, versions, sections
        "127.0.0.1 10.1.2.3 192.168.0.1 172.16.5.4 0.0.0.0 255.255.255.255 224.0.0.251",
        "192.0.2.1 198.51.100.7 203.0.113.9",
        "1.2.3.4 and section 6.10.3.1 of the standard",
        "v115.0.57.90; oid 1.3.6.1.4.1.311.21; 2.5.29.17; 300.1.2.3; 93.184.216.34.5",
    ],
)
def test_placeholders_hashes_versions_and_nobodys_addresses_are_left_alone(line):
    assert find_secrets(line + "\n") == []


@pytest.mark.parametrize(
    ("kind", "address", "line"),
    [
        ("email", "jo.doe+code@posteo.de", "# Written by Jo Doe <{}>"),
        ("email", "jd@cs.uni-bonn.de", " * @author {} (Jo)"),
        ("email", "sales@corp.co.uk", "mailto:{}."),
        ("email", "who_is@it.dev", 'x = "{}"'),
        ("email", "jo@posteo.de", "-Dcf_email='{}' \\"),
        ("email", "jo@posteo.de", "mail = `{}`;"),
        ("email", "jane.doe@siemens.com", "x = 1 //@author:{}"),
        ("ip_address", "93.184.216.34", 'server = "{}"'),
        ("ip_address", "185.199.108.153", "http://{}:80/"),
    ],
)
def test_addresses_of_people_and_machines_are_found(kind, address, line):
    text = line.format(address) + "\n"
    assert [(span.kind, text[span.start : span.end]) for span in find_secrets(text)] == [(kind, address)]


def test_a_line_without_an_end_takes_no_time():
    begin = time.perf_counter()
    for text in ("a@" + "b" * 100_000, "@" + "a." * 50_000, "eyJ" * 30_000, "1.1.1." * 20_000):
        assert find_secrets(text) == []
    assert time.perf_counter() - begin < 2
