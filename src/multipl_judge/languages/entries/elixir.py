"""Elixir, on a virtual machine that starts slowly and takes much memory at once."""

from multipl_judge.languages.entry import Entry, Harness, Language
from multipl_judge.languages.toolchain import Limits, Reference, Toolchain

_ENDING = r"""
$tests
harness_bites =
  try do
    assert $one == $two
    false
  rescue
    ExUnit.AssertionError -> true
  end
if harness_bites and $one != $two and [$one] != [$two], do: IO.puts("\nnonce #{Bitwise.bxor($first, $second)}")
"""
_ANSWERS = r"""
defmodule HarnessJson do
  def of(value) when is_list(value), do: "[" <> Enum.map_join(value, ",", &of/1) <> "]"
  def of(value) when is_tuple(value), do: of(Tuple.to_list(value))
  def of(value) when is_struct(value), do: of(Enum.to_list(value))
  def of(value) when is_map(value), do: "{" <> Enum.map_join(value, ",", &pair/1) <> "}"
  def of(value) when is_binary(value), do: "\"" <> Regex.replace(~r/["\\\x00-\x1f]/, value, &escaped/1) <> "\""
  def of(nil), do: "null"
  def of(value) when is_number(value) or is_boolean(value), do: to_string(value)
  def of(value), do: of(to_string(value))
  defp pair({key, value}), do: of(to_string(key)) <> ":" <> of(value)
  defp escaped(<<code>>), do: "\\u" <> String.pad_leading(Integer.to_string(code, 16), 4, "0")
end
IO.write("\n$mark#{HarnessJson.of($call)}\n")
"""
# ExUnit and what asserts cannot be defined anew (Node can, as in answers). No tests but the harness's run at the end.
_OPENING = """for harness_app <- [:ex_unit, :elixir] do
  :code.stick_dir(:filename.join(:code.lib_dir(harness_app), ~c"ebin"))
end
:code.unstick_mod(Node)
Application.load(:ex_unit)
Application.put_env(:ex_unit, :autorun, false)
"""
_ELIXIR = ("{elixir}", "--erl", "+S 1:1 +SDio 1")

ENTRY = Entry(
    Language(
        "Elixir",
        (".ex", ".exs"),
        line_comment="#",
        block_comment=None,
        interpreters=("elixir",),
        content_labels=("elixir",),
    ),
    Toolchain(
        executables={"elixir": ("/usr/bin/elixir", "/usr/local/bin/elixir")},
        version=("{elixir}", "--short-version"),
        run=(*_ELIXIR, "-e", "Code.eval_string(IO.read(:stdio, :eof))"),
        script=(*_ELIXIR, "{folder}/program"),
        packages=("elixir",),
        failed_assertion=r"ExUnit\.AssertionError|^\s+Assertion with == failed|^\s*Assertion failed",
        uncompiled=r"^\*\* \((?:SyntaxError|TokenMissingError|MismatchedDelimiterError|CompileError)\)",
        environment={"LC_ALL": "C.UTF-8"},
        run_limits=Limits(cpu_s=20, memory_bytes=2048 * 2**20),
        reference=Reference(
            "defmodule Sample do\n  def twice(x) do\n    BODY\n  end\nend\nimport ExUnit.Assertions\n"
            'assert Sample.twice(21) == 42\nIO.puts("nonce #{Bitwise.bxor(FIRST, SECOND)}")\n',
            right="2 * x",
            wrong="x",
            early="System.halt(0)",
        ),
    ),
    Harness(
        opening=_OPENING,
        guard="import ExUnit.Assertions\n",
        ending=_ENDING,
        answers=_ANSWERS,
        stop=("\n  end", "\n```"),
        closing="\n  end\nend\n",
        broken='    raise "broken on purpose"',
        multipl_e=(
            (r"(?m)^ExUnit\.start\(\)[ \t]*$", "ExUnit.start(autorun: false)"),
            (r"(?m)^(\s*test) '([^'\n]*)' do", r'\1 "\2" do'),
            (
                r"\Z",
                "\nExUnit.configure(exclude: [], include: [], only_test_ids: nil)\nharness_run = ExUnit.run()\n"
                "if harness_run.failures + harness_run.excluded + harness_run.skipped != 0 or harness_run.total == 0, "
                "do: exit(:tests_failed)\n",
            ),
        ),
    ),
    comments=r"#(?!\{)[^\n]*+",
    literals=r'"""(?:\\.|[^"\\]|"(?!""))*+(?:"""|\\?\Z)|(?<!\\)"(?:\\.|[^"\\])*+"|(?<!\\)\'(?:\\.|[^\'\\\n])*+\'',
    definition=r"\bdefp?\s+{name}\b",
    word=r"\w+[?!]?",
    blocks=(r"\b(?:do|fn)\b(?!:)", r"\bend\b(?!:)"),
    # The answer's module is another one than the prompt's, which calls it; the tests' names are the prompt's again.
    whole="apply(:persistent_term.get(:answer), :$name, [$listed])\n  end\nend\n$code",
    whole_changes=(
        (r"(?s)\A(?!.*\bdefmodule\b)(.*)\Z", r"defmodule HumanEval do\n\1\nend\n"),
        (
            r"(?ms)\A(.*?^defmodule\s+((\w+)[\w.]*)\s+do\b(?:(?!^defmodule\b).)*?\bdefp?\s+$name(?![\w?!]).*)\Z",
            r"alias Answer, as: \3\n\1\n:persistent_term.put(:answer, \2)\nalias Elixir.\3, as: \3\n",
        ),
        (r"(?m)^System\.halt\([^\n]*$", ""),
    ),
)
