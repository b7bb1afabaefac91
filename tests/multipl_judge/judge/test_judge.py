"""Each language: what a program does decides its outcome, and nothing that it prints or returns."""

import os
import time
from dataclasses import replace
from itertools import product

import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.judge.judge import judge
from multipl_judge.judge.outcome import Outcome
from multipl_judge.judge.sandbox import Finished
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.toolchains import TOOLCHAINS
from tests.multipl_judge.problems.translated import INSTALLED

# In Python, Java, Go and Ruby: broken references in problems/forms/test_programs.py and problems/test_autocodebench.py.
RAISES = {
    "cpp": "throw 1;",
    "rust": 'panic!("no")',
    "lua": "error('no')",
    "ocaml": 'failwith "no"',
    "racket": '(error "no")',
    "r": "stop('no')",
    "perl": "die 'no';",
    "haskell": 'error "no"',
    "elixir": 'raise "no"',
}
# In Java, C++, Rust and Go: those in `evil` that do not compile.
DOES_NOT_PARSE = {
    "python": "return (x",
    "ruby": "x + (",
    "lua": "return x +",
    "ocaml": "x +",
    "racket": "(x",
    "r": "x + (",
    "perl": "return ($x;",
    "haskell": "x +",
    "elixir": "x + (",
}
# Python's, and memory in Java, are in `evil`; here a compiled program, and a runtime that has threads of its own.
NEVER_ENDS = {
    "java": "while (x > 0) x = x ^ 2; return x;",
    "rust": "loop {}",
}
HOGS_MEMORY = {
    "cpp": "for (long i = 0; i < 1L << 32; i += 4096) ((volatile char*)std::malloc(4096))[0] = 1; return x;",
    "go": "var rows [][]byte\n\tfor i := 0; i < 4096; i++ {\n\t\trow := make([]byte, 1<<20)\n\t\tfor j := range row {\n"
    "\t\t\trow[j] = 1\n\t\t}\n\t\trows = append(rows, row)\n\t}\n\treturn len(rows)",
    "ruby": "Array.new(4096) { 'x' * 2**20 }.size",
    "lua": "local rows = {} for i = 1, 4096 do rows[i] = ('x'):rep(2^20) .. i end return #rows",
    "ocaml": "List.length (List.init 4096 (fun i -> Bytes.make 1048576 (Char.chr (i land 127))))",
    "racket": "(length (for/list ([i 4096]) (make-bytes 1048576 1)))",
    "r": "length(lapply(1:4096, function(i) rep(i, 131072)))",
    "perl": "my @rows = map { ('x' x 1048576) . $_ } 1 .. 4096; return scalar @rows;",
    "haskell": "let xs = [x .. 100000000] in sum xs + length xs",
    "elixir": "Enum.to_list(x..200_000_000) |> length()",
}
KINDS: dict[str, tuple[dict[str, str], Outcome, dict[str, float]]] = {
    "raises": (RAISES, Outcome.runtime_error, {}),
    "does not parse": (DOES_NOT_PARSE, Outcome.compile_error, {}),
    "never ends": (NEVER_ENDS, Outcome.timeout, {"cpu_s": 0.4}),
    "hogs memory": (HOGS_MEMORY, Outcome.memory_limit, {"memory_bytes": 2**28}),
}


@pytest.mark.parametrize(("kind", "language"), [(kind, name) for kind in KINDS for name in KINDS[kind][0]])
def test_what_a_program_does_decides_its_outcome(language, kind, sandbox, toolbox):
    """Right, wrong and leaving early are tried by preflight, and in each form by problems/forms/test_programs.py."""
    nonce, toolchain = Nonce.draw(), TOOLCHAINS[language]
    bodies, outcome, limits = KINDS[kind]
    program = Program(language, toolchain.reference.source(bodies[language], nonce), nonce)
    judgement = judge(program, sandbox, toolbox, replace(toolchain.run_limits, **limits))
    stage = "compile" if kind == "does not parse" else "run"
    assert (judgement.outcome, judgement.stage) == (outcome, stage), judgement.output
    assert kind == "never ends" or not judgement.doubtful


@pytest.mark.parametrize("starved", [True, False])
@pytest.mark.parametrize(("language", "outcome"), [("python", Outcome.timeout), ("cpp", Outcome.compile_timeout)])
def test_timeout_is_doubtful_where_others_kept_the_program_waiting(
    language, outcome, starved, sandbox, toolbox, monkeypatch
):
    stopped = Finished(None, None, b"", b"", 1.0, 0, "time", starved)
    program = Program(language, "", Nonce.draw())
    toolbox.commands(program, sandbox)  # which looks for the toolchain by running it
    monkeypatch.setattr(sandbox, "run", lambda *words, **options: stopped)
    judgement = judge(program, sandbox, toolbox)
    assert (judgement.outcome, judgement.doubtful) == (outcome, starved)


def test_program_that_somebody_killed_is_in_doubt_and_then_out_of_memory(sandbox, toolbox):
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    judgement = judge(Program("python", source, Nonce.draw()), sandbox, toolbox)
    assert (judgement.outcome, judgement.stage, judgement.doubtful) == (Outcome.memory_limit, "run", True)


@pytest.mark.parametrize(
    "command",
    [
        "echo 'g++: fatal error: Killed signal terminated program cc1plus' >&2; exit 1",
        "echo 'collect2: fatal error: ld terminated with signal 9 [Killed]' >&2; exit 1",
        "echo 'signal: killed' >&2; exit 1",
        "kill -KILL $$",
    ],
    ids=["compiler", "linker", "go", "all"],
)
def test_compiler_of_which_somebody_killed_a_part_is_in_doubt_and_then_out_of_memory(command, sandbox):
    killed = replace(TOOLCHAINS["python"], compile=("sh", "-c", command))
    judgement = judge(Program("python", "", Nonce.draw()), sandbox, Toolbox({"python": killed}))
    assert (judgement.outcome, judgement.stage, judgement.doubtful) == (Outcome.memory_limit, "compile", True)


def test_a_script_can_be_read_whatever_the_umask_is(sandbox, toolbox):
    umask = os.umask(0o077)
    try:
        program = Program("python", "print(int(input()) + 1)", Nonce.draw(), cases=(("1\n", "2\n"),))
        assert judge(program, sandbox, toolbox).outcome == Outcome.passed
    finally:
        os.umask(umask)


@pytest.mark.parametrize("more", ["print('late')", "print(f'nonce {FIRST ^ SECOND}')"])
def test_nonce_must_come_last_and_once(more, sandbox, toolbox):
    nonce = Nonce.draw()
    source = f"print('nonce', FIRST ^ SECOND)\n{more}\n"
    source = source.replace("FIRST", str(nonce.first)).replace("SECOND", str(nonce.second))
    assert judge(Program("python", source, nonce), sandbox, toolbox).outcome == Outcome.tests_not_completed


HOSTILE = [b"\n", b" ", b"\0", b"\xff", b"\r", b"Assertion ", b"assertion ", b"--- FAIL", b"\n--- FAIL", b"\npanic:",
           b"nonce ", b"memory allocation of 1", b"Cannot ", b"Killed signal"]  # fmt: skip


@pytest.mark.parametrize("language", INSTALLED)
def test_no_output_holds_the_judge_up(language, sandbox, toolbox, monkeypatch):
    program = Program(language, "", Nonce.draw())
    toolbox.commands(program, sandbox)
    for part, exit_code in product(HOSTILE, (0, 1) if language == "python" else (1,)):  # 0 is read alike in all
        printed = part * (2**18 // len(part))
        codes = [0, exit_code] if TOOLCHAINS[language].compile else [exit_code, 0]
        ends = iter([Finished(code, None, printed, printed, 1.0, 0, None) for code in codes])
        monkeypatch.setattr(sandbox, "run", lambda *words, ends=ends, **options: next(ends))
        started = time.thread_time()
        judge(program, sandbox, toolbox)
        assert time.thread_time() - started < 1, part


@pytest.mark.parametrize("language", ["python", *(name for name in INSTALLED if TOOLCHAINS[name].compile)])
def test_running_program_cannot_read_its_source(language, sandbox, toolbox):
    """Nothing below the folders that a program sees holds the numbers of its nonce, but a binary.

    Interpreters read their program from standard input, one as the other.
    """
    nonce = Nonce.draw()
    toolchain = TOOLCHAINS[language]
    program = Program(language, toolchain.reference.source(toolchain.reference.right, nonce), nonce)
    commands = toolbox.commands(program, sandbox)
    spy = replace(toolchain, run=("grep", "-rIl", str(nonce.first), "{folder}", "/scratch", "/tmp"), check=None)
    assert commands.run != spy.run
    judgement = judge(program, sandbox, Toolbox({language: spy}))
    assert (judgement.outcome, judgement.output) == (Outcome.runtime_error, "")


@pytest.mark.parametrize("source", ["{main}", "../{main}", "{main}/../../victim", ".."])
def test_no_source_file_lies_outside_of_the_folder_of_its_run(source, sandbox, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    toolchain = replace(TOOLCHAINS["python"], compile=("true",), source=source, main=(r"^class (\S+)",))
    program = Program("python", f"class {victim}\n", Nonce.draw())
    with pytest.raises(ConfigError, match="no name of a file; mend source, or main"):
        judge(program, sandbox, Toolbox({"python": toolchain}))
    assert victim.read_text() == "mine"


def test_unknown_language_and_unknown_extra_are_user_errors(sandbox, toolbox):
    with pytest.raises(ConfigError, match=r"'latin' has no toolchain; known are python"):
        judge(Program("latin", "", Nonce.draw()), sandbox, toolbox)
    with pytest.raises(ConfigError, match="wants 'magic'"):
        judge(Program("python", "", Nonce.draw(), wants=("magic",)), sandbox, toolbox)
