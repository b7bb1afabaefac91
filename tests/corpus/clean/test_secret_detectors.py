"""No secret stands here in full, real or invented: scanners of repositories would find it."""

import base64
import json
import random
import string

import pytest
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.ip_public import IPPublicDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector

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
    ("password", "t4" + letters(12, seed=5), 'password = "{}"\n'),
    ("password", letters(32, "0123456789abcdef", 6), "  api_key: '{}',\n"),
    ("password", "9x" + letters(20, seed=7), 'conf.setProperty("db.password", "{}");\n'),
    ("password", "k8" + letters(18, seed=8), 'let client_secret: &str = "{}";\n'),
    ("password", f"q7${letters(4, seed=20)}!x{letters(4, seed=21)}", 'password = "{}"\n'),
    ("password", f"{letters(4, seed=22)}%{letters(3, string.digits)}(y{letters(4, seed=23)}", "db_password: '{}',\n"),
    ("password", letters(24, seed=9), 'TOKEN = "{}"\n'),
    ("password", "m3" + letters(22, seed=10), "export API_TOKEN={}\n"),
    ("password", "7h" + letters(12, seed=11), "# password: {}\n"),
    ("password", letters(32, "0123456789abcdef", 12), "  client_secret: {}  # of the tests\n"),
    ("url_password", "p%40" + letters(8, seed=13), "url = 'postgres://svc:{}@db.corp.io'\n"),
    ("url_password", "e5" + letters(16, seed=14), "REDIS=redis://:{}@cache.corp.io:6379/0\n"),
    ("url_password", f"w8${letters(5, seed=24)}!{letters(5, seed=25)}", 'amqp("amqps://svc:{}@mq.corp.io")\n'),
    ("npm_token", "npm_" + letters(36), "run: publish --token {}\n"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "secret", "line"), SECRETS)
def test_planted_secrets_are_found_exactly(kind, secret, line):
    text = "x = 1\n" * 5 + line.format(secret) + "y = 2\n"
    start = text.index(secret)
    spans = [span for span in find_secrets(text) if span.start < start + len(secret) and span.end > start]
    assert (start, start + len(secret), kind) in [(span.start, span.end, span.kind) for span in spans]


def test_they_are_20_and_more_of_8_kinds_and_more():
    assert len(SECRETS) >= 20
    assert len({kind for kind, *_ in SECRETS}) >= 8


def test_whatever_the_librarys_detectors_find_line_by_line_is_found():
    plugins = [
        plugin()
        for plugin in get_mapping_from_secret_type_to_class().values()
        if issubclass(plugin, RegexBasedDetector) and plugin not in (IPPublicDetector, PrivateKeyDetector)
    ]
    num_found = 0
    for _, secret, template in SECRETS:
        line = template.format(secret)
        for found in [found for plugin in plugins for found in plugin.analyze_string(line)]:
            place, num_found = line.index(found), num_found + 1
            assert any(span.start < place + len(found) and place < span.end for span in find_secrets(line))
    assert num_found >= 15


@pytest.mark.parametrize("sign", "$%{}<>()!^&*")
@pytest.mark.parametrize("template", ['password = "{}"\n', "pwd => '{}',\n"])
def test_a_sign_alone_makes_no_template(sign, template):
    password = f"b4{letters(4)}{sign}7{letters(5)}"
    line = template.replace("{}", password)
    assert [line[span.start : span.end] for span in find_secrets(line)] == [password]


@pytest.mark.parametrize(
    "line",
    [
        'password = "x1y2-{name}-3z"',
        'password = "a1b2c3%(name)s"',
        'password = "$DB_PASSWORD_1$SUFFIX2"',
        'password = "%DB_PASSWORD_1%"',
        'password = "<9f-k2-x7-q1>"',
        'password = "ask4it(x1,y2,z3)"',
        'password = "$(pass x7k/y2z9)"',
        "PASSWORD=$DB_PASS_1w2x",
        "var rsaPrivateKey = test1024Key",
        "password: value_of_x86_64",
        "api_key = 0xdeadbeef12",
        "token = sha256_of(x1)",
        '"tokens", "symbol2label"',
        'tokenizer = "GPT2BPETokenizer"',
        'join(pwd, "./data/pcg64-testset-1.csv")',
        r"re.match(r'https://(\w+):(\w+)@(\w+)', url1)",
        'url = "https://"+user1+":"+pass1+"@"+host1',
        "import npm_package_json_of_the_whole_tree_1",
        "AKIA" + "IOSFODNN7EXAMPLE",
        'password = "password"',
        'password = "changeme123"',
        'password = "${DB_PASSWORD_1}"',
        "password = os.environ['DB_PASSWORD_1']",
        'token = "end_of_file_2"',
        'key = "usr/lib/python3"',
        'secret = "0123456789abcdef"',
        'api_key = "xxxxxxxx1x"',
        'token = "123e4567-e89b-12d3-a456-426614174000"',
        'keyed("d41d8cd98f00b204e9800998ecf8427e")',
        'sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"',
        'connect("http://user:password@host/")',
        'fmt.Sprintf("http://%s:%s@%s", user, password, host)',
        "class ACCESS_FLAG_SKIPPING; int eyJ;",
    ],
)
def test_placeholders_hashes_and_variables_are_left_alone(line):
    assert find_secrets(line + "\n") == []
