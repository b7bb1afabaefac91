"""Answers in a language: texts of which a model learns a part, the completions, and reads the rest, the prompts.

A corpus keeps them apart from the language's files under a name of their own, `LANGUAGE.answers`, which no language can
have. Of the parts of an answer's text, which `cuts` tell apart, the first is a prompt and every other one a completion.
Where the last part is a completion the text is raw: it begins and ends as all texts do. Else it is a chat in the
model's template, which has those tokens itself: what follows a completion begins with the token that ends it.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from multipl_judge.languages.table import Language

_SUFFIX = ".answers"


def answers_in(language: str) -> str:
    """The name of the answers in a language."""
    return language + _SUFFIX


def are_answers(name: str) -> bool:
    """Whether a name in a corpus is that of answers."""
    return name.endswith(_SUFFIX)


def language_of(name: str) -> str:
    """The language of a name in a corpus."""
    return name.removesuffix(_SUFFIX)


def title_of(name: str, table: Mapping[str, Language]) -> str:
    """How people write a name in a corpus, by a table of languages."""
    title = table[language_of(name)].title
    return f"{title}, answers" if are_answers(name) else title


def parts_of(text: str, cuts: Sequence[int]) -> list[str]:
    """The parts of a text, cut at these characters: prompts and completions by turns."""
    return [text[begin:end] for begin, end in pairwise([0, *cuts, len(text)])]


def cuts_of(parts: Sequence[str]) -> list[int]:
    """Where the joined text is cut into these parts."""
    return list(accumulate(map(len, parts[:-1])))
