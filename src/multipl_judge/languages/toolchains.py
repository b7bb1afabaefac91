"""The table of toolchains: an entry for each language whose programs can be judged."""

import re

from multipl_judge.languages.entries import ENTRIES
from multipl_judge.languages.sources import text_of
from multipl_judge.languages.toolchain import Cache, Extra, Reference, Toolchain

_QUICK_LINKER = "-fuse-ld=gold"
_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto")
_JAVAC = (
    *("-m", "jdk.compiler/com.sun.tools.javac.Main", "-encoding", "UTF-8", "-proc:none", "-nowarn"),
    *("-d", "{folder}"),
)

_BLANK = r"(?:\s++|//[^\n]*+\n|/\*(?>.*?\*/))*+"
_HEADER = r"<([A-Za-z][\w+.-]*(?:/[\w+-][\w+.-]*)*)>"
_INCLUDE = re.compile(_BLANK + r"#[ \t]*include[ \t]*" + _HEADER + r"[ \t]*(?=\n|//|/\*)", re.DOTALL)
_ALL_STANDARD_HEADERS = "bits/stdc++.h"


def leading_includes(source: str) -> str:
    """The inclusions of system headers with which a C++ source text begins, one a line, "" if there is none.

    A header made of exactly these lines can be compiled once and put in front of the text, whose own inclusions then
    add nothing. Whatever may change their meaning, such as a macro, ends the beginning; so does the header that
    includes all of the standard library, after which hardly anything is left to gain.
    """
    names: list[str] = []
    position = 0
    while _ALL_STANDARD_HEADERS not in names and (match := _INCLUDE.match(source, position)):
        names.append(match[1])
        position = match.end()
    return "".join(f"#include <{name}>\n" for name in names)


TOOLCHAINS: dict[str, Toolchain] = {
    "python": Toolchain(
        executables={"python": ("/usr/bin/python3", "/usr/local/bin/python3", "~/.pyenv/versions/*/bin/python3")},
        version=("{python}", "--version"),
        check=("{python}", "-c", text_of("python_check.py")),
        unparsed=r"(?:Syntax|Indentation|Tab|Memory|Recursion)Error\b|null bytes",
        run=("{python}", "-s", "-B", "-"),
        script=("{python}", "-s", "-B", "{folder}/program"),
        packages=("python3",),
        failed_assertion=r"^AssertionError\b",
        environment={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1"},
        extras={"numpy": Extra(("python3-numpy",), probe=("{python}", "-c", "import numpy"))},
        reference=Reference(
            "def twice(x):\n    BODY\n\nassert twice(21) == 42\nprint('nonce', FIRST ^ SECOND)\n",
            right="return 2 * x",
            wrong="return x",
            early="raise SystemExit(0)",
        ),
    ),
    "java": Toolchain(
        executables={"java": ("/usr/bin/java", "/usr/lib/jvm/*/bin/java", "/usr/local/bin/java")},
        version=("{java}", "-version"),
        source="{main}.java",
        main=(
            r"^public\s+(?:final\s+)?class\s+(\w+)",
            r"^(?:final\s+)?class\s+(\w+)(?:(?!^(?:final\s+)?class\s)[\s\S])*?\bstatic\s+void\s+main\b",
        ),
        compile=(
            *("{java}", "{warm}", *_JVM, "-Xmx768m", *_JAVAC, "-cp", "{folder}{paths}"),
            *("{options}", "{folder}/{source}"),
        ),
        run=("{java}", *_JVM, "-Xmx512m", "-ea", "-cp", "{folder}{paths}", "{main}"),
        forks=False,
        packages=("default-jdk-headless",),
        failed_assertion=r"java\.lang\.AssertionError",
        extras={"javatuples": Extra(("libjavatuples-java",), path="/usr/share/java/javatuples.jar")},
        caches={
            "javac": Cache(
                "javac",
                (("{java}", "-XX:ArchiveClassesAtExit={folder}/javac.jsa", *_JVM, *_JAVAC, "{folder}/Warm.java"),),
                {"Warm.java": text_of("Warm.java")},
                required=False,
            )
        },
        warm={"javac": ("-XX:SharedArchiveFile={cache:javac}/javac.jsa",)},
        reference=Reference(
            "public class Main {\n    static int twice(int x) {\n        BODY\n    }\n\n"
            "    public static void main(String[] args) {\n        assert twice(21) == 42;\n"
            '        System.out.println("nonce " + (FIRSTL ^ SECONDL));\n    }\n}\n',
            right="return 2 * x;",
            wrong="return x;",
            early="System.exit(0); return 0;",
        ),
    ),
    "cpp": Toolchain(
        executables={"compiler": ("/usr/bin/g++", "/usr/local/bin/g++")},
        version=("{compiler}", "--version"),
        compile=(
            *("{compiler}", "{options}", "-w", "-fmax-errors=5", "-pipe", "{warm}", "-x", "c++", "-"),
            *("-o", "{folder}/main", "{extras}"),
        ),
        run=("{folder}/main",),
        forks=False,
        packages=("g++",),
        failed_assertion=r"^(?>.*?Assertion ).* failed",
        extras={
            "openssl": Extra(("libssl-dev",), path="/usr/include/openssl/md5.h", arguments=("-lcrypto", "-lssl")),
            "boost": Extra(("libboost-dev",), path="/usr/include/boost/any.hpp"),
        },
        preamble=leading_includes,
        caches={
            "prelude": Cache(
                "cpp",
                (("{compiler}", "{options}", "-w", "-x", "c++-header", "{folder}/prelude.h"),),
                {"prelude.h": "{preamble}"},
                required=False,
            ),
            "linker": Cache(
                "cpp-linker",
                (("{compiler}", _QUICK_LINKER, "{folder}/empty.cpp", "-o", "{folder}/empty"),),
                {"empty.cpp": "int main() {}\n"},
                required=False,
            ),
        },
        warm={"prelude": ("-include", "{cache:prelude}/prelude.h"), "linker": (_QUICK_LINKER,)},
        reference=Reference(
            "#include <cassert>\n#include <cstdio>\n#include <cstdlib>\nint twice(int x) { BODY }\n"
            'int main() {\n    assert(twice(21) == 42);\n    std::printf("nonce %lld\\n", FIRSTLL ^ SECONDLL);\n}\n',
            right="return 2 * x;",
            wrong="return x;",
            early="std::exit(0);",
        ),
    ),
    "rust": Toolchain(
        executables={
            "compiler": ("/usr/bin/rustc", "/usr/local/bin/rustc", "~/.rustup/toolchains/*/bin/rustc"),
            "linker": ("/usr/bin/gcc", "/usr/bin/cc", "/usr/bin/clang"),
            "cargo": ("/usr/bin/cargo", "/usr/local/bin/cargo"),
        },
        version=("{compiler}", "--version"),
        compile=(
            *("{compiler}", "{options}", "--crate-name", "main", "-A", "warnings", "-C", "debuginfo=0"),
            # The linker strips, as rustc itself would do in a process of its own.
            *("-C", "strip=none", "-C", "link-arg=-s", "-C", "codegen-units=1", "-C", "prefer-dynamic", "-C", "rpath"),
            *("-C", "linker={linker}", "{warm}", "-o", "{folder}/main", "{extras}", "-"),
        ),
        run=("{folder}/main",),
        forks=False,
        packages=("rustc",),
        failed_assertion=r"^(?>.*?assertion ).*failed",
        extras={
            name: Extra(
                ("cargo", "librust-regex-dev", "librust-md5-dev"),
                path="/usr/share/cargo/registry/regex-1*",
                arguments=("-L", "{cache:crates}/target/debug/deps", "--extern", name),
            )
            for name in ("rand", "regex", "md5")
        },
        caches={
            "crates": Cache(
                "rust-crates",
                (
                    (
                        *("{cargo}", "build", "--offline", "--manifest-path", "{folder}/Cargo.toml"),
                        *("--target-dir", "{folder}/target", "--config", "{folder}/config.toml"),
                    ),
                ),
                {
                    "Cargo.toml": text_of("Cargo.toml"),
                    "config.toml": text_of("cargo_config.toml"),
                    "empty.rs": "",
                    "rand/Cargo.toml": text_of("rand_Cargo.toml"),
                    "rand/lib.rs": text_of("rand.rs"),
                },
            ),
            "linker": Cache(
                "rust-linker",
                (("{linker}", _QUICK_LINKER, "{folder}/empty.c", "-o", "{folder}/empty"),),
                {"empty.c": "int main() {}\n"},
                required=False,
            ),
        },
        warm={"linker": ("-C", f"link-arg={_QUICK_LINKER}")},
        reference=Reference(
            "fn twice(x: i64) -> i64 {\n    BODY\n}\n\n"
            'fn main() {\n    assert_eq!(twice(21), 42);\n    println!("nonce {}", FIRSTi64 ^ SECONDi64);\n}\n',
            right="2 * x",
            wrong="x",
            early="std::process::exit(0)",
        ),
    ),
    "go": Toolchain(
        executables={"go": ("/usr/bin/go", "/usr/local/go/bin/go", "/usr/local/bin/go", "/usr/lib/go-*/bin/go")},
        version=("{go}", "version"),
        compile=("{cache:packages}/gotest", "compile", "{cache:packages}", "{folder}/main"),
        run=("{folder}/main",),
        forks=False,
        packages=("golang-go",),
        failed_assertion=r"^\s*--- FAIL: ",
        crashed=r"^panic: ",
        environment={
            "GO111MODULE": "off",
            "GOPATH": "/usr/share/gocode",
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
            "GOFLAGS": "",
        },
        extras={
            "testify": Extra(
                ("golang-github-stretchr-testify-dev",), path="/usr/share/gocode/src/github.com/stretchr/testify/assert"
            )
        },
        caches={
            "packages": Cache(
                "go-packages",
                (
                    ("{go}", "build", "-o", "{folder}/gotest", "{folder}/gotest.go"),
                    (
                        *("{folder}/gotest", "prepare", "{folder}", "{go}", "std", "testing/internal/testdeps"),
                        *("github.com/stretchr/testify/assert", "github.com/stretchr/testify/require"),
                    ),
                ),
                {"gotest.go": text_of("gotest.go")},
            )
        },
        reference=Reference(
            'package main\n\nimport (\n\t"fmt"\n\t"os"\n\t"testing"\n)\n\nvar exit = os.Exit\n\n'
            "func twice(x int) int {\n\tBODY\n}\n\nfunc TestTwice(t *testing.T) {\n"
            '\tif twice(21) != 42 {\n\t\tt.Fatal("twice")\n\t}\n}\n\n'
            "func TestMain(m *testing.M) {\n\tif m.Run() == 0 {\n"
            '\t\tfmt.Println("nonce", int64(FIRST)^int64(SECOND))\n\t}\n}\n',
            right="return 2 * x",
            wrong="return x",
            early="exit(0)\n\treturn 0",
        ),
    ),
    "ruby": Toolchain(
        executables={"ruby": ("/usr/bin/ruby", "/usr/local/bin/ruby")},
        version=("{ruby}", "--version"),
        check=("{ruby}", "-e", text_of("ruby_check.rb")),
        unparsed=r"SyntaxError|syntax error|invalid multibyte",
        run=("{ruby}", "{warm}", "-"),
        script=("{ruby}", "{warm}", "{folder}/program"),
        caches={"gems": Cache("ruby-gems", (), {"lazy_gems.rb": text_of("lazy_gems.rb")}, required=False)},
        warm={"gems": ("--disable-gems", "-r{cache:gems}/lazy_gems.rb")},
        packages=("ruby", "ruby-test-unit"),
        extras={"minitest": Extra(("ruby-minitest",), probe=("{ruby}", "-e", "require 'minitest'"))},
        failed_assertion=r"^Failure: |AssertionFailedError",
        reference=Reference(
            "require 'test/unit/assertions'\ninclude Test::Unit::Assertions\n\ndef twice(x)\n  BODY\nend\n\n"
            'assert_equal(42, twice(21))\nputs "nonce #{FIRST ^ SECOND}"\n',
            right="2 * x",
            wrong="x",
            early="exit(0)",
        ),
    ),
    **{name: entry.toolchain for name, entry in ENTRIES.items()},
}
