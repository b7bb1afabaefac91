"""Finding keys, tokens and addresses in a text, by the patterns of detect-secrets and of datatrove.

The detectors of random strings and of passwords are left out: hashes, test vectors and tables are full of the former,
manuals of the latter.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from datatrove.pipeline.formatters.pii import PIIFormatter, public_ip_validator
from detect_secrets.filters.heuristic import is_sequential_string, is_templated_secret
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

ADDRESSES = ("email", "ip_address")
_PII = PIIFormatter()
_ADDRESS_CHARACTERS = 256  # an e-mail address has at most 254; datatrove's pattern takes the square of what it is given
# Endings of countries, less those of file names, and the usual others: what is multiplied by `@` in Python has none.
_TOP_DOMAIN = re.compile(
    r"\.(?!(?:js|ts|rb|go|db|hs|cs|ui|jl|ex)$)(?:[a-z]{2}|com|org|net|edu|gov|mil|int|info|biz|name|pro|dev|app|cloud|"
    r"tech|online|site|xyz|email|blog|wiki|systems|software|solutions|agency|company|digital|consulting|science|berlin|"
    r"london|paris|nyc|tokyo|world|global|group|team|zone)$",
    re.I,
)
_USER = re.compile(r"[A-Za-z0-9](?:[\w.+-]*[\w+-])?(?=@)", re.ASCII)
_GOES_ON = re.compile(r"[\w@(]")  # code, of which the pattern would take a part
_NOBODY = ("git", "hg", "svn")
# RFC 2606 and 6761, and the names that manuals use.
_RESERVED = re.compile(
    r"(?:.*\.)?(?:test|invalid|localhost|local|example(?:\.\w+)?|(?:foo|bar|baz|domain|host|company)\.\w+)", re.I
)
_IN_URL = re.compile(r"\w://[^\s\"'<>]*$")  # a user, or a user and a password, before a host
_IPV4_CLUE = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_MULTICAST = 224  # first numbers from here on are of groups
_SMALL = 32  # with three numbers below it, it is a version or a section; one address in 140 looks like that


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
        clues: literals of which one stands in each text that holds such a secret; none where there is no such literal.
        patterns: match the secret, or have it as their longest group.
        accepts: whether what they match may be one.
    """

    kind: str
    clues: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]
    accepts: Callable[[str], bool] = lambda secret: True


def find_secrets(text: str) -> list[Span]:
    """Keys, tokens, passwords in URLs, e-mail and public IP addresses, in no particular order; they may overlap."""
    return [*_tokens(text), *_emails(text), *_ip_addresses(text)]


def _tokens(text: str) -> Iterator[Span]:
    for detector in _detectors():
        if detector.clues and not any(clue in text for clue in detector.clues):
            continue
        for match in (match for pattern in detector.patterns for match in pattern.finditer(text)):
            start, end = _secret_of(match)
            if detector.accepts(text[start:end]) and not _looks_invented(text[start:end]):
                yield Span(start, end, detector.kind)


def _secret_of(match: re.Match[str]) -> tuple[int, int]:
    """Where the secret is: some patterns have it as a group, some have only its prefix as one."""
    spans = [match.span(number) for number in range(1, match.re.groups + 1)]
    longest = max(spans, key=lambda span: span[1] - span[0], default=match.span())
    is_prefix = longest[0] == match.start()
    return match.span() if is_prefix or longest[0] < 0 else longest


def _looks_invented(secret: str) -> bool:
    """Whether a secret is one of documentation: a template, a sequence, or says that it is an example."""
    lowered = secret.lower()
    return (
        any(word in lowered for word in ("example", "redacted", "xxxx", "your", "dummy", "placeholder", "changeme"))
        or len(set(lowered)) < 5
        or is_templated_secret(secret)
        or is_sequential_string(secret)
    )


def _has_digits_and_letters(secret: str) -> bool:
    return any(sign.isdigit() for sign in secret) and any(sign.isalpha() for sign in secret[2:])


@cache
def _detectors() -> tuple[_Detector, ...]:
    """The library's detectors whose secrets can be told by their form, and some that it lacks."""

    def of(plugin: type[RegexBasedDetector], kind: str, *clues: str, **rules: Callable[[str], bool]) -> _Detector:
        return _Detector(kind, clues, tuple(plugin().denylist), **rules)

    def own(kind: str, clue: str, pattern: str, **rules: Callable[[str], bool]) -> _Detector:
        return _Detector(kind, (clue,), (re.compile(pattern),), **rules)

    return (
        of(AWSKeyDetector, "aws_key", "AKIA", "ASIA", "ABIA", "ACCA", "A3T", "aws", "AWS", "Aws"),
        of(AzureStorageKeyDetector, "azure_key", "AccountKey="),
        of(BasicAuthDetector, "url_password", "://", accepts=_has_digits_and_letters),
        of(DiscordBotTokenDetector, "discord_token"),
        of(GitHubTokenDetector, "github_token", "gh"),
        of(GitLabTokenDetector, "gitlab_token", "gl", "GR1348941"),
        of(MailchimpDetector, "mailchimp_key", "-us"),
        of(NpmDetector, "npm_token", "_authToken="),
        of(OpenAIDetector, "openai_key", "T3BlbkFJ"),
        of(PypiTokenDetector, "pypi_token", "pypi-AgE"),
        of(SendGridDetector, "sendgrid_key", "SG."),
        of(SlackDetector, "slack_token", "xox", "hooks.slack.com"),
        of(SquareOAuthDetector, "square_key", "sq0csp"),
        of(StripeDetector, "stripe_key", "k_live_"),
        of(TelegramBotTokenDetector, "telegram_token", ":AA", accepts=lambda token: ":AA" in token),
        of(TwilioKeyDetector, "twilio_key", "AC", "SK", accepts=_has_digits_and_letters),
        # The library's pattern of these ends before the signature.
        own("jwt", "eyJ", r"(?<![\w=-])eyJ[\w=-]+\.[\w=-]+\.?[\w.+/=-]*", accepts=JwtTokenDetector.is_formally_valid),
        # The library's pattern needs the line of a configuration file.
        own("npm_token", "npm_", r"(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)"),
        own("google_key", "AIza", r"(?<![\w-])AIza[\w-]{35}(?![\w-])"),
        own("github_token", "github_pat_", r"github_pat_\w{50,90}"),
        own("huggingface_token", "hf_", r"(?<!\w)hf_[A-Za-z]{34}(?!\w)"),
    )


def _emails(text: str) -> Iterator[Span]:
    """Addresses but for those that stand for nobody, and what only looks like one (`A@B.sum`, `#{@b.to_s}`)."""
    place = 0
    while (at := text.find("@", place)) >= 0:
        begin, place = max(place, at - _ADDRESS_CHARACTERS), at + 1
        if match := _PII.emails_replacer.regex.search(text, begin, at + _ADDRESS_CHARACTERS):
            place = max(place, match.end())
            user = _USER.search(text, match.start(), match.end())  # the pattern's has quotes and signs of code, too
            is_in_url = _IN_URL.search(text[max(0, match.start() - _ADDRESS_CHARACTERS) : match.start()])
            if user and not is_in_url and not _GOES_ON.match(text, match.end()) and _is_somebodys(user[0], match[0]):
                yield Span(user.start(), match.end(), "email")


def _is_somebodys(user: str, address: str) -> bool:
    domain = address.rpartition("@")[2]
    return user not in _NOBODY and bool(_TOP_DOMAIN.search(domain)) and not _RESERVED.fullmatch(domain)


def _ip_addresses(text: str) -> Iterator[Span]:
    """Public IPv4 addresses of one machine that are no part of a longer number, and no version."""
    if not _IPV4_CLUE.search(text):
        return
    for match in _PII.ip_replacer.regex.finditer(text):
        start, end = match.span()
        is_part = re.match(r"[\w.-]", text[start - 1 : start]) or re.match(r"\w|\.\w", text[end : end + 2])
        numbers = [int(number) for number in match[0].split(".")]
        is_version = sum(number < _SMALL for number in numbers) >= 3
        if not is_part and not is_version and numbers[0] < _MULTICAST and public_ip_validator(match[0]):
            yield Span(start, end, "ip_address")
