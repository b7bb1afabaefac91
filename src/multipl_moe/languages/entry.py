"""All that one language is, as a file of the folder `entries` has it."""

from dataclasses import dataclass

from multipl_moe.languages.harness import Harness
from multipl_moe.languages.language import Language
from multipl_moe.languages.toolchain import Toolchain


@dataclass(frozen=True)
class Entry:
    """One language: what a newcomer writes to add one, in one file.

    Attributes:
        language: for the corpus and the reports.
        toolchain: how its programs are run.
        harness: how prompt, completion and tests make one program.
        comments, literals: regular expressions of what is a comment and what a literal; each must take time in
            proportion to the text (`source_text`).
        definition: regular expression of where a function is defined, with `{name}` for its name.
        word: regular expression of a function's name.
        blocks: regular expressions of what opens and what closes a block; None where a function needs no closing.
        whole: completion that an answer with the whole function means: `$code` is the answer, `$name` the function's,
            `$arguments` and `$listed` are those of the prompt, between blanks or commas, `$broken` and `$closing` the
            harness's. The prompt has opened the function by then, so the answer's own takes its place, or is called by
            it under another name.
        whole_changes: regular expressions, and what takes the place of their matches in the answer.
    """

    language: Language
    toolchain: Toolchain
    harness: Harness
    comments: str
    literals: str
    definition: str
    word: str = r"\w+"
    blocks: tuple[str, str] | None = None
    whole: str = "$broken$closing$code"
    whole_changes: tuple[tuple[str, str], ...] = ()
