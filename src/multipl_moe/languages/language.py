"""What the corpus and the reports must know of a language."""

from dataclasses import dataclass


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
