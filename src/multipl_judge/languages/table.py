"""The languages that the package knows: one table entry each, shared by the corpus, the evaluation and the reports."""

from collections.abc import Iterator
from pathlib import PurePath

from multipl_judge.languages.entries import ENTRIES
from multipl_judge.languages.entry import Language

# Of 270 headers of libstdc++ it is found in 255, where magika tells half from C; of 786 of Linux and 189 of CPython in
# none. A header for both languages (extern "C") is one of C.
_CPP_ALONE = (
    r"\A(?![\s\S]*extern\s+\"C\")[\s\S]*?"
    r"(?:^[ \t]*(?:#[ \t]*include[ \t]*<[a-z_]+>|template[ \t]*<|(?:inline[ \t]+)?namespace\b|constexpr\b"
    r"|(?:enum[ \t]+)?class[ \t]+\w+[^;\n(]*[{:\n]|(?:private|public|protected)[ \t]*:|using[ \t]+\w+)"
    r"|\bstd::\w|\bnoexcept\b|\bnullptr\b|\bstatic_cast<)"
)

LANGUAGES: dict[str, Language] = {
    "python": Language(
        "Python",
        (".py",),
        ("{lib}",),
        "PSF-2.0",
        line_comment="#",
        block_comment=None,
        interpreters=("python", "pypy"),
        content_labels=("python",),
    ),
    "java": Language(
        "Java",
        (".java",),
        ("/usr/lib/jvm/*/lib/src.zip",),
        "GPL-2.0-only WITH Classpath-exception-2.0",
        ("openjdk-21-jdk-headless", "openjdk-21-source"),
        interpreters=("java",),
        content_labels=("java",),
    ),
    "cpp": Language(
        "C++",
        (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".ipp", ".tcc"),
        ("/usr/include/boost",),
        "BSL-1.0",
        ("g++", "libboost-dev"),
        shared_extensions=(".h", ".inc", ".inl"),
        content_pattern=_CPP_ALONE,
        content_labels=("cpp",),
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
        interpreters=("rust-script",),
        content_labels=("rust",),
    ),
    "go": Language(
        "Go",
        (".go",),
        ("/usr/share/go-*/src", "/usr/local/go/src"),
        "BSD-3-Clause",
        ("golang-go",),
        content_labels=("go",),
        other_names=("golang",),
    ),
    "ruby": Language(
        "Ruby",
        (".rb",),
        ("/usr/lib/ruby/[0-9]*", "/usr/lib/ruby/gems", "/usr/share/rubygems-integration"),
        "Ruby OR BSD-2-Clause",
        ("ruby",),
        "#",
        ("=begin", "=end"),
        interpreters=("ruby", "jruby"),
        content_labels=("ruby",),
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
        filenames=("README",),
        other_names=("english", "markdown", "restructuredtext", "text"),
    ),
    **{name: entry.language for name, entry in ENTRIES.items()},
}


def language_title(name: str, told: str = "") -> str:
    """How people write a language's name: as a result told, so that languages of a recipe can be read anywhere, else
    as the table does."""
    return told or (LANGUAGES[name].title if name in LANGUAGES else name)


def endings_of(path: PurePath) -> Iterator[str]:
    """Endings of a name in lower case, the longest first: of a.blade.php `.blade.php` and `.php`."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    for start in range(len(suffixes)):
        yield "".join(suffixes[start:])
