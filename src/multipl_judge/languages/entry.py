"""All that one language is: for corpus and reports, around its programs, and as a file of `entries` has it."""

from dataclasses import dataclass, replace

from multipl_judge.languages.toolchain import Toolchain


@dataclass(frozen=True)
class Language:
    """One language; `languages.own.OwnLanguage` says what each field means.

    In the patterns of `library`, `~` and `{lib}` (the running Python's library folder) are replaced, and all folders
    that match are read; of archives (.zip) only the first, for several versions of one library teach little more.
    `content_labels` are asked where neither name nor pattern tells.
    """

    title: str
    extensions: tuple[str, ...]
    library: tuple[str, ...] = ()
    library_licence: str = "unknown"
    packages: tuple[str, ...] = ()
    line_comment: str | None = "//"
    block_comment: tuple[str, str] | None = ("/*", "*/")
    is_code: bool = True
    filenames: tuple[str, ...] = ()
    shared_extensions: tuple[str, ...] = ()
    content_pattern: str | None = None
    interpreters: tuple[str, ...] = ()
    content_labels: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()


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
        comment: mark of a line comment, or the two of a block comment; the language's unless given.
        extension: of source files, with the dot; the first of the language unless given.
        options: arguments of the compiler for the starter form.
        wants: extras of the toolchain for the starter form.
        answers: goes after the solution where calls and their answers are judged: a line with `$call` comes once for
            each; it prints `$mark` at the beginning of a line, and then the answer as JSON, in the same line. In OCaml
            `$show` writes an answer of its type.
        multipl_e: regular expressions, and what takes the place of their matches in the tests of MultiPL-E: what is no
            code of the language is mended, what would end the program is left out.
    """

    ending: str
    stop: tuple[str, ...]
    closing: str
    broken: str
    comment: str | tuple[str, str] = ""
    extension: str = ""
    guard: str = ""
    tests: str = "$tests"
    call: str = ""
    options: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    opening: str = ""
    answers: str = ""
    multipl_e: tuple[tuple[str, str], ...] = ()

    def of(self, language: Language) -> "Harness":
        """The same with the language's comment and extension, where it has none of its own."""
        comment = self.comment or language.line_comment or language.block_comment or "#"
        return replace(self, comment=comment, extension=self.extension or (*language.extensions, "")[0])


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
