"""The languages that the package knows: one table entry each, shared by the corpus, the evaluation and the reports."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """One language.

    Attributes:
        title: how people write its name.
        extensions: file-name endings, with the dot.
        library: glob patterns of the folders that the installed toolchain carries in source (`~` and `{lib}`, the
            running Python's library folder, are replaced); all that match are read. A pattern ending in .zip names
            archives, of which the first is read: several versions of one library teach little more than one.
        library_licence: SPDX licence of those files where they do not name their own.
        packages: Debian packages that install the toolchain and its sources.
        line_comment, block_comment: marks of comments (None: it has none).
        is_code: whether it is a programming language; means over languages count only those.
    """

    title: str
    extensions: tuple[str, ...]
    library: tuple[str, ...]
    library_licence: str
    packages: tuple[str, ...]
    line_comment: str | None = "//"
    block_comment: tuple[str, str] | None = ("/*", "*/")
    is_code: bool = True


LANGUAGES: dict[str, Language] = {
    "python": Language("Python", (".py",), ("{lib}",), "PSF-2.0", (), "#", None),
    "java": Language(
        "Java",
        (".java",),
        ("/usr/lib/jvm/*/lib/src.zip",),
        "GPL-2.0-only WITH Classpath-exception-2.0",
        ("openjdk-21-jdk-headless", "openjdk-21-source"),
    ),
    "cpp": Language(
        "C++",
        (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".ipp", ".tcc"),
        ("/usr/include/boost",),
        "BSL-1.0",
        ("g++", "libboost-dev"),
    ),
    "rust": Language(
        "Rust",
        (".rs",),
        (
            "/usr/lib/rustlib/src/rust/library",
            "/usr/src/rustc-*/library",
            "~/.rustup/toolchains/*/lib/rustlib/src/rust/library",
        ),
        "MIT OR Apache-2.0",
        ("rustc", "rust-src"),
    ),
    "go": Language("Go", (".go",), ("/usr/share/go-*/src", "/usr/local/go/src"), "BSD-3-Clause", ("golang-go",)),
    "ruby": Language(
        "Ruby",
        (".rb",),
        ("/usr/lib/ruby/[0-9]*", "/usr/lib/ruby/gems", "/usr/share/rubygems-integration"),
        "Ruby OR BSD-2-Clause",
        ("ruby",),
        "#",
        ("=begin", "=end"),
    ),
    "english": Language(
        "English text",
        (".md", ".rst", ".txt", ".pod"),
        ("/usr/share/perl/*/pod", "/usr/share/doc"),
        "LicenseRef-Debian-documentation",
        ("perl-doc",),
        line_comment=None,
        block_comment=None,
        is_code=False,
    ),
}
