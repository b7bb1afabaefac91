"""Finding keys, tokens and passwords in a text: detect-secrets' patterns, asked only where they can match.

The library reads a file line by line with each of its detectors. Here a detector is asked about a line only if a clue
that each of its secrets holds stands in it, which costs a twentieth and finds the same. Its detectors of random strings
are left out: hashes, test vectors and tables are full of them. A random string counts where a name in front calls it a
secret.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from detect_secrets.filters.heuristic import is_potential_uuid, is_sequential_string, is_templated_secret
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.high_entropy_strings import Base64HighEntropyString
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.keyword import DENYLIST as SECRET_NAMES
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

_LINE_REACH = 2000  # characters looked at on either side of a literal, in one line
_MIN_PASSWORD_ENTROPY = 2.8  # bits a character; English words of 8 to 12 letters have 2.2 to 3


@dataclass(frozen=True)
class Span:
    """A piece of a text, from `start` to `end` in characters, and what it is."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class _Detector:
    """How one kind of secret is found.

    Attributes:
        clues: patterns of which one stands in the secret or in its line; they begin with a literal, so that they are
            sought as fast as memory is read.
        patterns: match the secret, or have it as their longest group.
        accepts: whether what they match may be one.
    """

    kind: str
    clues: tuple[re.Pattern[str], ...]
    patterns: tuple[re.Pattern[str], ...]
    accepts: Callable[[str], bool] = lambda secret: True


def find_secrets(text: str) -> list[Span]:
    """Keys, tokens and passwords in a text, in no particular order; they may overlap."""
    found: list[Span] = []
    for detector in _detectors():
        for clue in detector.clues:
            found.extend(_ask(detector, text, clue))
    found.extend(_assigned(text))
    return found


def looks_invented(secret: str) -> bool:
    """Whether a secret is one of documentation: a template, a sequence, or says that it is an example."""
    lowered = secret.lower()
    return (
        any(word in lowered for word in ("example", "redacted", "xxxx", "your", "dummy", "placeholder", "changeme"))
        or len(set(lowered)) < 5
        or is_templated_secret(secret)
        or is_sequential_string(secret)
    )


def _ask(detector: _Detector, text: str, clue: re.Pattern[str]) -> Iterator[Span]:
    """What a detector finds in the lines that hold a clue."""
    done = 0
    while hint := clue.search(text, done):
        place = hint.start()
        begin = max(text.rfind("\n", 0, place) + 1, place - _LINE_REACH, done)
        newline = text.find("\n", hint.end() - 1)
        done = max(hint.end(), min(len(text) if newline < 0 else newline, place + _LINE_REACH))
        for pattern in detector.patterns:
            for match in pattern.finditer(text, begin, done):
                start, end = _secret_of(match)
                if detector.accepts(text[start:end]) and not looks_invented(text[start:end]):
                    yield Span(start, end, detector.kind)


def _secret_of(match: re.Match[str]) -> tuple[int, int]:
    """Where the secret is: some patterns have it as a group, some have only its prefix as one."""
    spans = [match.span(number) for number in range(1, match.re.groups + 1)]
    longest = max(spans, key=lambda span: span[1] - span[0], default=match.span())
    is_prefix = longest[0] == match.start()
    return match.span() if is_prefix or longest[0] < 0 else longest


@cache
def _detectors() -> tuple[_Detector, ...]:
    """The library's detectors whose secrets can be told by their form, and some that it lacks."""

    def of(plugin: type[RegexBasedDetector], kind: str, *clues: str, **rules: Callable[[str], bool]) -> _Detector:
        return _Detector(kind, tuple(map(re.compile, clues)), tuple(plugin().denylist), **rules)

    def own(kind: str, clue: str, pattern: str, **rules: Callable[[str], bool]) -> _Detector:
        return _Detector(kind, (re.compile(clue),), (re.compile(pattern),), **rules)

    return (
        of(AWSKeyDetector, "aws_key", "A(?:KIA|SIA|BIA|CCA|3T)[A-Z0-9]", "aws", "A[Ww][Ss]"),
        of(AzureStorageKeyDetector, "azure_key", "AccountKey="),
        of(BasicAuthDetector, "url_password", r"://[^\s:/@]*:[^\s/@]+@", accepts=_is_password),
        of(DiscordBotTokenDetector, "discord_token", r"\.[\w-]{6}\.[\w-]{27}"),
        of(GitHubTokenDetector, "github_token", "gh[pousr]_"),
        of(GitLabTokenDetector, "gitlab_token", "gl[a-z]{2,4}-", "GR1348941"),
        of(MailchimpDetector, "mailchimp_key", "-us[0-9]"),
        of(NpmDetector, "npm_token", "_authToken="),
        of(OpenAIDetector, "openai_key", "T3BlbkFJ"),
        of(PypiTokenDetector, "pypi_token", "pypi-AgE"),
        of(SendGridDetector, "sendgrid_key", r"SG\.[\w-]{22}"),
        of(SlackDetector, "slack_token", "xox[a-z]-", r"hooks\.slack\.com"),
        of(SquareOAuthDetector, "square_key", "sq0csp"),
        of(StripeDetector, "stripe_key", "k_live_"),
        of(TwilioKeyDetector, "twilio_key", "AC[a-z0-9]{32}", "SK[a-z0-9]{32}", accepts=_has_digits_and_letters),
        # The library's pattern takes a token only where nothing else is.
        own("telegram_token", ":AA[A-Za-z0-9_-]{33}", r"(?<!\w)[0-9]{8,10}:AA[\w-]{33}(?![\w-])"),
        # The library's pattern of these ends before the signature.
        own("jwt", r"eyJ[\w=-]+\.", r"eyJ[\w=-]+\.[\w=-]+\.?[\w.+/=-]*", accepts=JwtTokenDetector.is_formally_valid),
        own("google_key", "AIza", r"(?<![\w-])AIza[\w-]{35}(?![\w-])"),
        own("github_token", "github_pat_", r"github_pat_\w{50,90}"),
        own("huggingface_token", "hf_[A-Za-z]{34}", r"(?<!\w)hf_[A-Za-z]{34}(?!\w)"),
    )


# A name that sounds secret, then a string: password = "...", "api_key": '...', token => "...".
_ASSIGNED = re.compile(
    r"(?:" + "|".join(sorted(SECRET_NAMES, key=len, reverse=True)) + r"|credentials?|passphrase|access_?key)"
    r"(?:[a-z0-9_-]{0,20})[\]'\"]{0,2}(?::\s*(?:&?'?\w{1,12}))?\s{0,8}(?::=|=>|={1,3}|:|,)\s{0,8}"
    r"(?P<quote>[\"'`])(?P<secret>[^\s\"'`\\]{8,200})(?P=quote)",
    re.IGNORECASE,
)
_CLUES = ("pass", "pwd", "secret", "token", "key", "contrase", "credential")


def _assigned(text: str) -> Iterator[Span]:
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters change their length in lower case
        return
    for clue in _CLUES:
        place = lowered.find(clue)
        while place >= 0:
            # Nearly all such names are followed by no string: looking for a quote first spares the pattern.
            newline = text.find("\n", place, place + 300)
            end = newline if newline >= 0 else min(len(text), place + 300)
            if text.find('"', place, end) >= 0 or text.find("'", place, end) >= 0:
                begin = max(place - 12, 0)
                for match in _ASSIGNED.finditer(text, begin, end):
                    if _is_password(match["secret"]) and _is_random(match["secret"]):
                        yield Span(*match.span("secret"), "password")
            place = lowered.find(clue, max(end, place + 1))


_VARIABLE = re.compile(r"[${}<>()%]|\.\.|://|^\W+$")
_WORDS = re.compile(r"[A-Za-z]+(?:[_./:@-][A-Za-z]+)*[_.-]?\d{0,4}$")  # names, paths, words with a number behind


def _is_password(secret: str) -> bool:
    """Whether it may be a real password: no variable, no word of a manual."""
    return len(secret) >= 4 and not (_VARIABLE.search(secret) or secret.lower() in _COMMON)


_COMMON = frozenset({"pass", "password", "passwd", "secret", "token", "user", "pswd", "pass1234"})


def _is_random(secret: str) -> bool:
    return (
        _has_digits_and_letters(secret)
        and not _WORDS.match(secret)
        and not is_potential_uuid(secret)
        and not looks_invented(secret)
        and Base64HighEntropyString().calculate_shannon_entropy(secret) >= _MIN_PASSWORD_ENTROPY
    )


def _has_digits_and_letters(secret: str) -> bool:
    return any(sign.isdigit() for sign in secret) and any(sign.isalpha() for sign in secret[2:])
