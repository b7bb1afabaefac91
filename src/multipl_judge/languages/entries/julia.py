"""Julia. Debian has no package of it: this entry was written by the manual and has not been tried."""

from multipl_judge.languages.entry import Entry, Harness, Language
from multipl_judge.languages.toolchain import Limits, Reference, Toolchain

_ENDING = r"""
$tests
if $one != $two && [$one] != [$two] && "$one" != "$two"
    print(stdout, "\nnonce ", xor($first, $second), "\n")
end
"""
_JULIA = ("{julia}", "--startup-file=no", "--history-file=no", "-O1")

ENTRY = Entry(
    Language(
        "Julia",
        (".jl",),
        ("/usr/share/julia/base", "/usr/share/julia/stdlib", "~/.julia/juliaup/*/share/julia/base"),
        "MIT",
        ("julia",),
        line_comment="#",
        block_comment=("#=", "=#"),
        interpreters=("julia",),
        content_labels=("julia",),
    ),
    Toolchain(
        executables={"julia": ("/usr/bin/julia", "/usr/local/bin/julia", "~/.julia/juliaup/*/bin/julia")},
        version=("{julia}", "--version"),
        run=(*_JULIA, "-e", 'include_string(Main, read(stdin, String), "program")'),
        script=(*_JULIA, "{folder}/program"),
        failed_assertion=r"^Test Failed at|TestSetException|AssertionError",
        uncompiled=r"syntax: |ParseError",
        run_limits=Limits(cpu_s=30, memory_bytes=2048 * 2**20),
        reference=Reference(
            'function twice(x)\n    BODY\nend\n\n@assert twice(21) == 42\nprintln("nonce ", xor(FIRST, SECOND))\n',
            right="return 2 * x",
            wrong="return x",
            early="exit(0)",
        ),
    ),
    Harness(
        ending=_ENDING,
        stop=("\nend", "\n```"),
        closing="\nend\n",
        broken='    error("broken on purpose")',
    ),
    comments=r"#=(?:.*?=#|.*)|#[^\n]*+",
    literals=r'"""(?:\\.|[^"\\]|"(?!""))*+(?:"""|\\?\Z)|(?<!\\)"(?:\\.|[^"\\])*+"|\'(?:\\[^\'\n]{1,10}|[^\'\\\n])\'',
    definition=r"\bfunction\s+{name}\b|^{name}\([^\n]*\)\s*=(?!=)",
    word=r"\w+!?",
    blocks=(
        r"^\s*(?:function|if|for|while|begin|let|try|struct|mutable|module|quote|macro)\b|\bdo\b|=\s*(?:if|begin|let)\b",
        r"^\s*end\b|;\s*end\b",
    ),
)
