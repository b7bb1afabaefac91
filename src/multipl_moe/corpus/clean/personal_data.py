"""Finding e-mail and IP addresses of people and machines, but for those that stand for none."""

import ipaddress
import re
from collections.abc import Iterator

from multipl_moe.corpus.clean.secret_detectors import Span

_DOMAIN = re.compile(
    r"@(?P<domain>(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}(?P<top>[A-Za-z]{2,12}))(?![\w@(-]|\.\w)"
)
_LOCAL = re.compile(r"[A-Za-z0-9](?:[\w.+-]{0,62}[\w+-])?$", re.ASCII)
_GENERIC_TOPS = frozenset({
    "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "name", "pro", "dev", "app", "cloud", "tech",
    "online", "site", "xyz", "email", "blog", "wiki", "systems", "software", "solutions", "agency", "company",
    "digital", "consulting", "science", "berlin", "london", "paris", "nyc", "tokyo", "world", "global", "group",
    "team", "zone",
})  # fmt: skip
_NO_TOPS = frozenset({"js", "ts", "rb", "go", "db", "hs", "cs", "ui", "jl", "ex"})  # file endings that are no country
# RFC 2606 and 6761, and the names that manuals use.
_RESERVED = re.compile(
    r"(?:.*\.)?(?:example|test|invalid|localhost|local|example\.(?:com|net|org|edu)|"
    r"(?:foo|bar|baz|foobar|domain|mydomain|yourdomain|host|hostname|company|server|somewhere|nowhere|email|[abcxyz])"
    r"\.(?:com|org|net|edu|gov|info))",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"\w://[^\s\"'<>]*$")  # a user, or a user and a password, before a host
_NO_PERSON = frozenset({"git", "hg", "svn"})

# The clues begin with a literal, which is sought as fast as memory is read; the whole is then looked for around them.
_IPV4_CLUE, _IPV6_CLUE = (
    re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"),
    re.compile(r":[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:"),
)
_IPV4 = re.compile(r"(?<![\w.-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w-]|\.[0-9])")
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9a-f:]*[0-9a-f]{3})(?:[0-9A-Fa-f]{1,4}:){3}[0-9A-Fa-f:]{2,30}(?![\w:])", re.IGNORECASE
)
_VERSION_BEFORE = re.compile(
    r"(?:\b(?:version|release|v\.?|ver\.?|section|oid|rfc ?\d*)|[=~<>]=|~>|§)[\s\"':=(]{0,4}$", re.IGNORECASE
)
_RESOLVERS = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220"})
_SMALL = 32  # with three numbers below it, it is a version or a section; one address in 140 looks like that


def find_personal_data(text: str) -> Iterator[Span]:
    """E-mail addresses (kind `email`) and global IP addresses (`ip_address`)."""
    yield from _emails(text)
    for match in _around(_IPV4_CLUE, _IPV4, text, 4):
        before = text[max(0, match.start() - 16) : match.start()]
        if _is_public_ipv4(match.group()) and not _VERSION_BEFORE.search(before):
            yield Span(*match.span(), "ip_address")
    for match in _around(_IPV6_CLUE, _IPV6, text, 30):
        if _is_global(match.group()):
            yield Span(*match.span(), "ip_address")


def _around(clue: re.Pattern[str], whole: re.Pattern[str], text: str, reach: int) -> Iterator[re.Match[str]]:
    """Matches of a pattern that begin at most `reach` characters before a clue."""
    done = 0
    for hint in clue.finditer(text):
        if hint.start() >= done and (match := whole.search(text, max(done, hint.start() - reach), hint.end() + 48)):
            done = match.end()
            yield match


def _emails(text: str) -> Iterator[Span]:
    for match in _DOMAIN.finditer(text):
        at = match.start()
        before = text[max(0, at - 200) : at]
        local = _LOCAL.search(before)
        if local is None or _IN_URL.search(before) or local.group() in _NO_PERSON:
            continue
        top = match["top"].lower()
        if (top in _GENERIC_TOPS or (len(top) == 2 and top not in _NO_TOPS)) and not _RESERVED.fullmatch(
            match["domain"]
        ):
            yield Span(at - len(local.group()), match.end(), "email")


def _is_public_ipv4(address: str) -> bool:
    if address in _RESOLVERS or sum(int(part) < _SMALL for part in address.split(".")) >= 3:
        return False
    return not address.endswith(".0") and _is_global(address)


def _is_global(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast
