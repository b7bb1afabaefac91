"""How programs of one language are wrapped."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Harness:
    """How programs of one language are wrapped.

    Attributes:
        opening: goes before the prompt: what the harness needs of the library, taken before the completion runs.
        guard: goes between completion and tests and undoes what a completion may have redefined; in the entries of the
            package `$name` is the function under test.
        ending: goes to the end of the program: runs `$tests`, checks the controls, prints the nonce.
        stop: strings that end a completion of the starter set and of sets in its form.
        closing: what those completions lack, because the stop string that ended them is left out.
        tests: the tests in the starter form: `$tests` as written.
        call: what runs them, `$tests` of the ending; `$class_name` is the prompt's first class.
        broken: body that fails whenever it runs and compiles whatever the function returns.
        comment: mark of a line comment, or the two of a block comment.
        extension: of source files, with the dot.
        options: arguments of the compiler for the starter form.
        wants: extras of the toolchain for the starter form.
        multipl_e: regular expressions, and what takes the place of their matches in the tests of MultiPL-E: what is no
            code of the language is mended, what would end the program is left out.
    """

    guard: str
    ending: str
    stop: tuple[str, ...]
    closing: str
    broken: str
    comment: str | tuple[str, str]
    extension: str
    tests: str = "$tests"
    call: str = ""
    options: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    opening: str = ""
    multipl_e: tuple[tuple[str, str], ...] = ()
