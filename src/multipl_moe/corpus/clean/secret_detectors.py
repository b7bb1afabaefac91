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
        # The library's pattern needs a user, and no sign that has a meaning in other parts of a URL.
        own("url_password", "://", r"://[\w.~%^|!$&*+,;=-]*:([\w.~%^|!$&*+,;=:-]+)@", accepts=_is_password),
        # The library's pattern needs the line of a configuration file.
        own("npm_token", "npm_[A-Za-z0-9]{36}", r"(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)"),
        own("google_key", "AIza", r"(?<![\w-])AIza[\w-]{35}(?![\w-])"),
        own("github_token", "github_pat_", r"github_pat_\w{50,90}"),
        own("huggingface_token", "hf_[A-Za-z]{34}", r"(?<!\w)hf_[A-Za-z]{34}(?!\w)"),
    )


# A name that sounds secret, then a string: password = "...", "api_key": '...', token => "...".
_NAMES = (*SECRET_NAMES, "token(?!s|i[sz])", "credentials?", "passphrase", "access_?key")
_NAME = r"(?:" + "|".join(sorted(_NAMES, key=len, reverse=True)) + r")[a-z0-9_-]{0,20}"
_ASSIGNED = re.compile(
    _NAME + r"[\]'\"]{0,2}(?::\s*(?:&?'?\w{1,12}))?\s{0,8}(?P<sign>:=|=>|={1,3}|:|,)\s{0,8}"
    r"(?P<quote>[\"'`])(?P<secret>[^\s\"'`\\]{8,200})(?P=quote)",
    re.IGNORECASE,
)
# The same without quotes, as shells, settings and comments have it: API_TOKEN=..., # password: ...
_UNQUOTED = re.compile(
    r"(?P<name>" + _NAME + r"=|" + _NAME + r"[ \t]{0,8}[:=][ \t]{0,8}(?=\S+(?:[ \t]+#.*)?[ \t\r]*$))"
    r"(?P<secret>(?!0x)[^\s\"'`\\,;(){}<>\[\]]{8,200})(?!\S)",
    re.IGNORECASE | re.MULTILINE,
)
_SHELL_NAME = re.compile(r"[A-Z0-9_]+=")
_COMMENT = re.compile(r"[ \t]*(?:#|//|/?\*|;|--|%)")
_CLUES = ("pass", "pwd", "secret", "token", "key", "contrase", "credential")


def _assigned(text: str) -> Iterator[Span]:
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters change their length in lower case
        return
    for clue in _CLUES:
        place = lowered.find(clue)
        while place >= 0:
            newline = text.find("\n", place, place + 300)
            end = newline if newline >= 0 else min(len(text), place + 300)
            yield from _assigned_between(text, max(place - 12, 0), place, end)
            place = lowered.find(clue, max(end, place + 1))


def _assigned_between(text: str, begin: int, place: int, end: int) -> Iterator[Span]:
    """Passwords of the names that stand between two places of a line; before `place` stands at most a part of a name.

    Nearly all such names are given nothing: looking for the sign that has to follow first spares the patterns.
    """
    if text.find('"', place, end) >= 0 or text.find("'", place, end) >= 0:
        for match in _ASSIGNED.finditer(text, begin, end):
            is_weak = match["sign"] == "," or match[0].lower().startswith("token")  # also in lists, and of parsers
            if _is_password(match["secret"]) and _is_random(match["secret"], is_weak):
                yield Span(*match.span("secret"), "password")
    if text.find("=", place, end) >= 0 or text.find(":", place, end) >= 0:
        for match in _UNQUOTED.finditer(text, begin, end):
            is_cut = match.end() == end and text[end : end + 1].strip()
            if not is_cut and _is_password(match["secret"]) and _is_random(match["secret"]) and _is_value(match):
                yield Span(*match.span("secret"), "password")


def _is_value(match: re.Match[str]) -> bool:
    """Whether what is given to a name without quotes is no name itself: in code it mostly is."""
    line_begin = match.string.rfind("\n", 0, match.start()) + 1
    if _SHELL_NAME.fullmatch(match["name"]) or _COMMENT.match(match.string, line_begin):
        return True
    secret = match["secret"]
    is_mixed = len(re.findall("[0-9]+", secret)) >= 2 or re.search(r"[^\w.:/-]", secret) is not None
    return is_mixed and not _is_worded(secret)


_TEMPLATE = re.compile(
    r"\{[^{}]*\}|\$\(|%(?:\(\w+\))?[srvq]|%d(?![0-9A-Fa-f])"  # ${name}, {name}, $(command), %s, %(name)s
    r"|^(?:[_.:/-]?\$[A-Za-z_]\w*)+$|^%\w+%$|^<.*>$|^[\w.:]+\(.*\)$"  # all of it: $NAME, %NAME%, <name>, call(...)
    r"|\.\.|://|^\W+$"
)
_WORDS = re.compile(r"[A-Za-z]+(?:[_./:@-][A-Za-z]+)*[_.-]?\d{0,4}$")  # names, paths, words with a number behind
_WORD = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{3,}|_[a-z]+")


def _is_password(secret: str) -> bool:
    """Whether it may be a real password: no template, no word of a manual."""
    return len(secret) >= 4 and not (_TEMPLATE.search(secret) or secret.lower() in _COMMON)


_COMMON = frozenset({"pass", "password", "passwd", "secret", "token", "user", "pswd", "pass1234"})


def _is_random(secret: str, may_be_name: bool = False) -> bool:
    return (
        _has_digits_and_letters(secret)
        and not (may_be_name and _is_worded(secret))
        and not _WORDS.match(secret)
        and not is_potential_uuid(secret)
        and not looks_invented(secret)
        and Base64HighEntropyString().calculate_shannon_entropy(secret) >= _MIN_PASSWORD_ENTROPY
    )


def _is_worded(secret: str) -> bool:
    """Whether half of it is made of words; of a random string of letters and digits in 5 cases of 6 it is not."""
    return sum(map(len, _WORD.findall(secret))) >= len(secret) / 2


def _has_digits_and_letters(secret: str) -> bool:
    return any(sign.isdigit() for sign in secret) and any(sign.isalpha() for sign in secret[2:])
