"""The commands of one program, and when a cache is worth making."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.judge.judge import judge
from multipl_judge.judge.outcome import Outcome
from multipl_judge.judge.sandbox import Finished
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.toolchain import Cache, Extra
from multipl_judge.languages.toolchains import TOOLCHAINS


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """An empty folder for caches."""
    monkeypatch.setenv("MULTIPL_MOE_CACHE", str(tmp_path))
    return tmp_path


def empty_program(language: str, *wants: str) -> Program:
    return Program(language, "", Nonce.draw(), wants=wants)


def python_toolbox(**changes) -> Toolbox:
    """A toolbox of Python alone, with a library to prepare."""
    caches = {"library": Cache("library", (("true",),), required=changes.pop("required", True))}
    return Toolbox({"python": replace(TOOLCHAINS["python"], **{"caches": caches, **changes})})


ABSENT = {
    "no path": Extra(("python3-library",), path="/nowhere/library*"),
    "probe fails": Extra(("python3-library",), probe=("{python}", "-c", "import library_that_is_not_there")),
    "cannot be prepared": Extra(("python3-library",), path="/usr", arguments=("{cache:library}",)),
}


@pytest.mark.parametrize("kind", ABSENT)
def test_program_that_wants_what_is_not_here_is_run_without_it(kind, sandbox, caches):
    failing = {"library": Cache("library", (("false",),))}
    toolbox = python_toolbox(extras={"library": ABSENT[kind]}, caches=failing)
    nonce = Nonce.draw()
    outcomes = []
    for line in ("# import library", "import library"):
        source = f"{line}\nprint('nonce', {nonce.first} ^ {nonce.second})\n"
        outcomes.append(judge(Program("python", source, nonce, wants=("library",)), sandbox, toolbox).outcome)
    assert outcomes == [Outcome.passed, Outcome.runtime_error]
    assert "python3-library" in str(toolbox.lack_of("python", "library", sandbox))


@pytest.mark.parametrize(
    ("python", "copy", "version", "told"),
    [
        ("/no/py", "/bin/cp", "", "not found; looked for python: /no/py; install it (Debian: apt install python3)"),
        ("/bin/sh", "/no/cp", "", "toolchain not found; looked for copy: /no/cp, /no/c; install it"),
        ("py", "/no/cp", "", "python: py (give a path, such as /usr/bin/py; PATH is not searched) and copy: /no/cp"),
        (
            "/bin/sh",
            "/bin/cp",
            "echo a; exec /no/b",
            "is there, but its `version` command ended with exit code 127: sh",
        ),
        ("/bin/sh", "/bin/cp", "kill $$", "was ended by a signal: it said nothing (folders outside /usr that it reads"),
    ],
)
def test_why_a_toolchain_does_not_work_is_told(python, copy, version, told, sandbox):
    executables = {"python": (python,), "copy": (copy, "/no/c")}
    toolbox = python_toolbox(executables=executables, version=("sh", "-c", version), script=("{copy}",))
    with pytest.raises(ConfigError) as refused:
        toolbox.installed("python", sandbox)
    assert told in str(refused.value)


def test_programs_see_the_folder_of_a_toolchain_and_never_the_home_that_it_lies_in(sandbox, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sandbox, "run", lambda *words, **options: Finished(0, None, b"1", b"", 1.0, 0, None))
    others = [SimpleNamespace(pw_dir=str(tmp_path / "alice"))]
    monkeypatch.setattr("pwd.getpwall", lambda: others)
    shown = {"home/x/bin/python": "home/x", "home/x/python": "home/x", "x/python": "x", "home/bin/python": "home/bin"}
    shown |= {"home/.local/bin/python": "home/.local/bin", "alice/bin/python": "alice/bin"}
    for executable, folder in {**shown, "home/python": "home/python", "python": "python"}.items():
        path = tmp_path / executable
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        installed = python_toolbox(executables={"python": (str(path),)}).installed("python", sandbox)
        assert installed.binds == (tmp_path / folder,)


def test_cache_that_only_saves_time_is_left_out_where_it_cannot_be_written(sandbox, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MULTIPL_MOE_CACHE", str(tmp_path / "file"))
    toolbox = python_toolbox(required=False, warm={"library": ("{cache:library}",)})
    assert toolbox.commands(empty_program("python"), sandbox).caches == ()


def test_beginning_that_comes_often_is_compiled_once_and_changes_nothing(sandbox, toolbox, caches):
    outcomes, warm, programs = [], [], []
    for body in ["assert(v.size() == 1);"] * 3 + ["assert(v.empty());"]:
        nonce = Nonce.draw()
        source = (
            f"#include <vector>\n#include <cassert>\n#include <cstdio>\nint main() {{ std::vector<int> v(1); {body} "
            f'std::printf("nonce %lld\\n", {nonce.first}LL ^ {nonce.second}LL); }}\n'
        )
        programs.append(Program("cpp", source, nonce))
        outcomes.append(judge(programs[-1], sandbox, toolbox).outcome)
        warm.append(len(list(caches.glob("judge/cpp-*/prelude.h.gch"))))
    assert outcomes == [Outcome.passed] * 3 + [Outcome.wrong_answer]
    assert warm == [0, 0, 1, 1]
    assert "-include" in toolbox.commands(programs[-1], sandbox).compile


def test_header_that_cannot_be_compiled_ahead_is_left_to_the_program(sandbox, toolbox, caches):
    program = Program("cpp", "#include <not/there.h>\nint main() {}\n", Nonce.draw())
    assert [judge(program, sandbox, toolbox).outcome for _ in range(4)] == [Outcome.compile_error] * 4


GO = """package main

import (
	"fmt"
	"testing"
%s)

func TestFirst(t *testing.T)  { fmt.Println("first") }
func TestSecond(t *testing.T) { fmt.Println("second") }
func Helper(t *testing.T)     { fmt.Println("helper") }

%s
func TestMain(m *testing.M) {
	if m.Run() == 0 {
		fmt.Println("nonce", uint64(FIRST)^uint64(SECOND))
	}
}
"""


def go_program(imports: str = "", more: str = "") -> Program:
    nonce = Nonce.draw()
    text = (GO % (imports, more)).replace("FIRST", str(nonce.first)).replace("SECOND", str(nonce.second))
    return Program("go", text, nonce)


def test_go_tests_run_in_their_order_under_the_programs_own_main(sandbox, toolbox):
    judgement = judge(go_program(), sandbox, toolbox)
    assert judgement.outcome == Outcome.passed
    assert judgement.output.splitlines()[:2] == ["first", "second"]
    assert "helper" not in judgement.output


@pytest.mark.parametrize(
    ("imports", "more"),
    [
        ('\t_ "embed"\n', "//go:embed main_test.go\nvar source string\n"),
        ('\t"C"\n', "var _ C.int\n"),
        ('\t"os"\n', ""),
        ("", "func body() int\n"),
    ],
    ids=["embedded file", "C", "unused import", "function without a body"],
)
def test_go_programs_that_the_go_command_would_refuse_or_that_read_files_do_not_compile(
    imports, more, sandbox, toolbox
):
    assert judge(go_program(imports, more), sandbox, toolbox).outcome == Outcome.compile_error


INCLUDES_ITSELF = {
    "cpp": '#include <cstdio>\nconst char text[] = {\n#include "/dev/stdin"\n0};\nint main() { std::puts(text); }\n',
    "rust": 'fn main() {\n    print!("{}", include_str!("/dev/stdin"));\n}\n',
}


@pytest.mark.parametrize("language", INCLUDES_ITSELF)
def test_compiler_reads_the_source_only_once(language, sandbox, toolbox):
    judgement = judge(Program(language, INCLUDES_ITSELF[language], Nonce.draw()), sandbox, toolbox)
    refused = judgement.outcome == Outcome.compile_error
    assert refused or (judgement.outcome == Outcome.tests_not_completed and not judgement.output.strip())
