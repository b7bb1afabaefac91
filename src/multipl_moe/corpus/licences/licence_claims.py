"""Whether the first comments of a file claim a licence of their own, or refuse one, that no table knows."""

import re

# White space and comment signs; hyphens stay, as LICENSE-ENTERPRISE is not the project's licence.
_NOISE = re.compile(r"[\s/*#;!|%>\"'`<]+")
_REFUSAL = re.compile(
    r"\bproprietary\b|\bconfidential\b|\btrade secrets?\b|\bunauthori[sz]ed (?:copying|use|reproduction|distribution)"
    r"|\bno (?:licen[cs]e|rights?|permission)s? (?:is|are) (?:\w+ ){0,2}?(?:granted|given)"
    r"|\b(?:may|must|shall) not be (?:copied|reproduced|redistributed|distributed|disclosed)\b",
    re.IGNORECASE,
)
_CLAIM = re.compile(
    r"\blicen[cs]ed\b.{0,60}?\bunder\b|\bunder (?:the |an? )?(?:\S+ ){0,8}?licen[cs]e\b"
    r"|\bunder the (?:following )?terms\b"
    r"|\b(?:governed|covered) by\b.{0,80}?\blicen[cs]e\b|\bsubject to\b.{0,60}?\b(?:licen[cs]e|terms)\b"
    r"|\bpermission (?:to use, copy|is (?:hereby )?granted)|\bredistribution and use\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^\W*licen[cs]e[ \t]*:[ \t]*\w", re.IGNORECASE | re.MULTILINE)
# In small letters what leads to the file: headers that shout say LICENSE of any licence.
_REFERENCE = re.compile(
    r"\b(?:[Ss]ee|[Ii]n|[Pp]er|[Rr]ead|file|to)(?: the| our| its| accompanying| included| attached)*"
    r" (?:[.]+ )*(?:[a-z.-]+ )?(?:LICEN[CS]E|COPYING|COPYRIGHT)\b(?!-)"
    r"|(?i:\b(?:licen[cs]e|copying|copyright)(?:\.(?:txt|md|rst))? file\b|\blicen[cs]e\.(?:txt|md|rst)\b)"
    r"|(?i:\bfile (?:named |called )?(?:licen[cs]e|copying|copyright)\b(?!-))"
    r"|(?i:\bsame (?:licen[cs]e|terms)(?: and conditions)? as\b)"
)


def claims_a_licence(comments: str) -> bool:
    """Whether comments in which no known licence was found still settle that the repository's does not hold.

    They do where they refuse a licence, or say under which one the file is without referring to the repository's. "All
    rights reserved" alone does neither: permissive projects write it everywhere.
    """
    words = _NOISE.sub(" ", comments)
    if _REFUSAL.search(words):
        return True
    return bool((_CLAIM.search(words) or _LABEL.search(comments)) and not _REFERENCE.search(words))
