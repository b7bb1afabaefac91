"""A benchmark's problem as it may turn up in a training file."""

import json
import re
from collections.abc import Callable

from multipl_judge.languages.source_text import without_comments
from multipl_judge.languages.table import LANGUAGES
from multipl_judge.problems.problem import Problem
from multipl_moe.corpus.decontamination.words import KEYWORDS

_STRINGS = re.compile(r'("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')')


def whole(problem: Problem) -> str:
    return problem.prompt + (problem.reference or "") + "\n" + problem.tests


def prompt_only(problem: Problem) -> str:
    return problem.prompt


def tests_only(problem: Problem) -> str:
    return problem.tests


def solution_only(problem: Problem) -> str:
    return problem.reference or ""


def renamed(problem: Problem) -> str:
    """The solution with every name that is not a member's changed, and none of the prompt's words left."""
    names: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        name = match[0]
        return name if name in KEYWORDS or name[0].isdigit() else names.setdefault(name, f"my_{len(names)}_name")

    parts = _STRINGS.split(without_comments(problem.reference or "", problem.language))
    return "".join(part if index % 2 else re.sub(r"(?<![.\w])\w+", rename, part) for index, part in enumerate(parts))


def commented(problem: Problem) -> str:
    """The solution with its comments gone and others after every second line."""
    mark = LANGUAGES[problem.language].line_comment
    lines = without_comments(problem.reference or "", problem.language).splitlines()
    return "\n".join(
        f"{line}  {mark} step {number}: this is how we do it" if number % 2 and line.strip() else line
        for number, line in enumerate(lines)
    )


def reformatted(problem: Problem) -> str:
    """All of it with other white space, upper-case comments and comment marks aside."""
    tight = re.sub(r"(?<=\S) *([=+*<>,(){}\[\]]) *", r"\1", (problem.reference or "") + "\n")
    return problem.prompt.replace("    ", "\t").replace("//", "///") + tight.replace("    ", "\t")


def escaped(problem: Problem) -> str:
    """All of it as a JSON string, of which another JSON string holds a part: as notebooks and logs have it."""
    text = whole(problem).replace("<", r"\u003c").replace("a", r"\x61")
    return json.dumps({"text": json.dumps(text)})


def with_no_break_spaces(problem: Problem) -> str:
    return whole(problem).replace(" ", "\u00a0")


DISGUISES: dict[str, Callable[[Problem], str]] = {
    form.__name__: form
    for form in (
        whole,
        prompt_only,
        tests_only,
        solution_only,
        renamed,
        commented,
        reformatted,
        escaped,
        with_no_break_spaces,
    )
}
