"""Languages that a recipe adds to the package's: one entry for corpus, reports and the judging of programs."""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, fields
from string import Template
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from multipl_judge.errors import ConfigError
from multipl_judge.languages.harnesses import HARNESSES, PLACEHOLDERS, Harness
from multipl_judge.languages.source_text import COMMENTS, comment_pattern
from multipl_judge.languages.table import LANGUAGES, Language
from multipl_judge.languages.toolchain import Toolchain, is_file_name
from multipl_judge.languages.toolchains import TOOLCHAINS


def _word(text: str) -> str:
    if not re.fullmatch(r"\S+", text):
        raise ValueError(f"{text!r}: must be a word without spaces")
    return text


def _ending(text: str) -> str:
    if not re.fullmatch(r"\.[^\s/]+", text):
        raise ValueError(f"{text!r}: begins with its dot, as .ex, and has neither blanks nor slashes")
    return text.lower()


def valid_name(text: str) -> str:
    """The text, which may be the key of a language; raises ValueError where it may not."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", text):
        raise ValueError(f"{text!r}: a name has lower-case letters, digits, _ and -, a letter first; a title has all")
    return text


_Word = Annotated[str, AfterValidator(_word)]
_Ending = Annotated[str, AfterValidator(_ending)]
_BARE = Harness(ending="", stop=(), closing="", broken="")  # where only programs that read standard input are judged
_ENDLESS = 2**60  # some multiples of limits must be numbers of 64 bits
OWN_ENTRIES: dict[str, Language] = {}
"""Of the languages that `add_languages` put into the tables of this process, names and the like."""
_TAKEN = "own_languages.{name}: there is a language of that name already; use another"
Name = Annotated[str, AfterValidator(valid_name)]


class OwnLanguage(BaseModel):
    """Definition of a language; every key is optional, as not every language is read, trained on and judged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str | None = Field(default=None, description="Display name of the language; default: its key.")
    extensions: tuple[_Ending, ...] = Field(default=(), description="File extensions of the language, with the dot.")
    filenames: tuple[_Word, ...] = Field(
        default=(), description="Whole names of the language's files that have no extension."
    )
    shared_extensions: tuple[_Ending, ...] = Field(
        default=(),
        description="File extensions, with the dot, that other languages use too: the content of a file decides.",
    )
    content_pattern: str | None = Field(
        default=None,
        description="Regular expression that, of the files with a shared extension, only the language's own match.",
    )
    interpreters: tuple[_Word, ...] = Field(
        default=(),
        description="Interpreters named in the first line of the language's scripts, without path and version.",
    )
    content_labels: tuple[_Word, ...] = Field(
        default=(), description="Labels that magika, a detector of file types by content, gives to the language."
    )
    other_names: tuple[Annotated[str, StringConstraints(to_lower=True)], ...] = Field(
        default=(), description="Names of the language in data sets, besides its key and title."
    )
    line_comment: _Word | None = Field(default=None, description="Marker of a comment up to the end of the line.")
    block_comment: tuple[_Word, _Word] | None = Field(
        default=None, description="Markers that open and close a block comment."
    )
    is_code: bool = Field(
        default=True,
        description="Whether the language is a programming language; means over languages count only those.",
    )
    library: tuple[str, ...] = Field(
        default=(),
        description="Glob patterns of folders with the library that the language's toolchain carries in source.",
    )
    library_licence: str = Field(default="unknown", description="SPDX licence of the toolchain's library files.")
    packages: tuple[_Word, ...] = Field(
        default=(), description="Debian packages that install the toolchain's library in source."
    )
    toolchain: Toolchain | None = Field(
        default=None, description="How programs of the language are run; docs/sources.md has its keys."
    )
    harness: Harness | None = Field(
        default=None,
        description="How prompt, completion and tests make one program; docs/sources.md has its keys.",
    )

    @field_validator("toolchain", "harness", mode="before")
    @classmethod
    def _has_known_keys(cls, value: Any, info: Any) -> Any:
        kind = {"toolchain": Toolchain, "harness": Harness}[info.field_name]
        known = [field.name for field in fields(kind)]
        given: Mapping[Any, Any] = cast(Mapping[Any, Any], value) if isinstance(value, Mapping) else {}
        if unknown := [str(key) for key in given if key not in known]:
            raise ValueError(f"unknown key {', '.join(unknown)}; known keys: {', '.join(known)}")
        return cast(Any, value)

    @field_validator("content_pattern")
    @classmethod
    def _is_pattern(cls, value: str | None) -> str | None:
        try:
            re.compile((value or "").encode(), re.MULTILINE)
        except re.error as error:
            raise ValueError(f"no regular expression ({error})") from None
        return value

    @field_validator("toolchain")
    @classmethod
    def _can_be_run(cls, value: Toolchain | None) -> Toolchain | None:
        if value is not None:
            _require_patterns(value)
            _require_own_folders(value)
            _require_runnable(value)
        return value

    @field_validator("harness")
    @classmethod
    def _can_be_filled_in(cls, value: Harness | None) -> Harness | None:
        for key, known in PLACEHOLDERS.items() if value else ():
            template = Template(getattr(value, key))
            unknown = [f"${name}" for name in template.get_identifiers() if name not in known]
            if unknown or not template.is_valid():
                there_are = ", ".join(f"${name}" for name in known)
                what = ", ".join(unknown) or "a $ without a name"
                raise ValueError(
                    f"{key}: {what} is nothing to fill in (there are {there_are}); write $$ for a dollar sign"
                )
        for pattern, text in value.multipl_e if value else ():
            try:
                re.sub(pattern, text, "")
            except (re.error, IndexError) as error:
                raise ValueError(f"multipl_e: {pattern!r}: no regular expression with its text ({error})") from None
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> "OwnLanguage":
        if self.toolchain is None and self.harness is not None:
            raise ValueError("harness: needs a toolchain, to judge programs with both")
        if self.toolchain is not None:
            _require_use(self.toolchain, with_harness=self.harness is not None)
        if self.shared_extensions and not (self.content_pattern or self.content_labels or self.interpreters):
            raise ValueError("shared_extensions: needs content_pattern, content_labels or interpreters")
        return self

    def entry(self, name: str) -> Language:
        """Its entry in a table of languages."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(Language)}
        values["title"] = self.title or name
        return Language(**values)


def _require_patterns(toolchain: Toolchain) -> None:
    for key in ("failed_assertion", "crashed", "uncompiled", "unparsed", "test_passed"):
        _num_groups(key, getattr(toolchain, key) or "")
    for pattern in toolchain.main:
        if not _num_groups("main", pattern):
            raise ValueError(f"main: {pattern!r} needs a group that holds the name of the class, as (\\w+)")


def _num_groups(key: str, pattern: str) -> int:
    try:
        return re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"{key}: no regular expression ({error})") from None


def _require_own_folders(toolchain: Toolchain) -> None:
    """Raise ValueError where a file that the judge itself writes, outside of the sandbox, would lie elsewhere."""
    if toolchain.source is not None and not is_file_name(toolchain.source):
        raise ValueError(f"source: {toolchain.source!r} must be the name of a file, without folders")
    for key, cache in toolchain.caches.items():
        names = [cache.name, *(part for name in cache.files for part in name.split("/"))]
        if not all(map(is_file_name, names)):
            raise ValueError(f"caches.{key}: name and files must lead to no other folder")


def _require_runnable(toolchain: Toolchain) -> None:
    for key in ("executables", "version"):
        if not getattr(toolchain, key):
            raise ValueError(f"{key}: must not be empty")
    for name, text in toolchain.environment.items():
        if not re.fullmatch(r"[^=\0]+", name) or "\0" in text:
            raise ValueError(f"environment: {name!r} is no variable; a name has no =, and is not empty")
    for key in ("compile_limits", "run_limits"):
        for name, number in asdict(getattr(toolchain, key)).items():
            if not 0 < number < _ENDLESS:
                raise ValueError(f"{key}.{name}: {number}: must be above 0 and below 2**60")


def _require_use(toolchain: Toolchain, *, with_harness: bool) -> None:
    needed: dict[str, object] = {"script": toolchain.script}
    if with_harness:
        reference = toolchain.reference.text
        needed = {"run": toolchain.run, "failed_assertion": toolchain.failed_assertion, "reference": reference}
    lacking = [key for key, value in needed.items() if not value]
    if lacking and (with_harness or not (toolchain.answers_input or toolchain.test)):
        raise ValueError(
            f"toolchain: lacks {', '.join(lacking)}; with script, or compile and run, it judges programs that read "
            "standard input, with test the exercises of a track, with harness, run, failed_assertion and reference "
            "tests in its language"
        )
    if toolchain.test and not toolchain.test_passed:
        raise ValueError("toolchain: lacks test_passed, a regular expression of the line that says that tests passed")


def language_table(own: Mapping[str, OwnLanguage]) -> dict[str, Language]:
    """The languages of the package and, after them, those that a recipe adds."""
    return LANGUAGES | {name: language.entry(name) for name, language in own.items()}


def how_to_add(name: str) -> str:
    """What to do about a language that the package does not know."""
    return f"for one of your own begin with `multipl-moe language {name}`"


def taken_names(own: Mapping[str, OwnLanguage]) -> list[str]:
    """What is wrong with languages beside each other and the package's: names that are taken, endings of two."""
    problems = [_TAKEN.format(name=name) for name in own if name in LANGUAGES]
    owners: dict[str, str] = {}
    for name, language in own.items():
        for ending in (*language.extensions, *language.filenames):
            if owners.setdefault(ending, name) != name:
                problems.append(f"own_languages.{name}: {ending} is of {owners[ending]}; one language has it")
    return problems


def add_languages(languages: Mapping[str, OwnLanguage]) -> None:
    """Put a recipe's languages into the tables of this process: their comments, and how those that can be are judged.

    Raises:
        ConfigError: a language is there already with another entry.
    """
    for name, language in languages.items():
        COMMENTS[name] = comment_pattern(language.line_comment, language.block_comment)
        if language.toolchain is not None:
            _add(TOOLCHAINS, name, language.toolchain)
            OWN_ENTRIES[name] = language.entry(name)
            _add(HARNESSES, name, (language.harness or _BARE).of(OWN_ENTRIES[name]))


def _add(table: MutableMapping[str, Any], name: str, entry: Any) -> None:
    if table.setdefault(name, entry) != entry:
        raise ConfigError(_TAKEN.format(name=name))
