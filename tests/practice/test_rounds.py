"""Rounds ask what has not passed often enough, stop where too little passes, and end alike however often they stop."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multipl_moe.codegen.completer import Completion, Finish, request_of
from multipl_moe.corpus.decontamination.index import BenchmarkIndex
from multipl_moe.corpus.decontamination.parts import parts_of
from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.practice.journal import PracticeJournal
from multipl_moe.practice.judging import Judge
from multipl_moe.practice.one_round import RoundProgress
from multipl_moe.practice.rounds import kept_rows, practise
from multipl_moe.practice.summary import practice_table
from multipl_moe.runs.journal import read_journal, write_journal
from tests.fixtures import tree
from tests.practice.made import RIGHT, WRONG, Answers, files, read_by_eye, recipe, task, task_set

BODY = """    total = 0
    for place, value in enumerate(sorted(values)):
        if place % 2 == 0 and value > limit:
            total += value * place
        elif value < limit:
            total -= value + 1
    return total
"""
TASKS = [task(f"f{number}") for number in range(7)]


@pytest.fixture(autouse=True)
def _no_sandbox(monkeypatch):
    monkeypatch.setattr(Judge, "_judged", read_by_eye)


def some_pass(problem, sample):
    number = int(problem.id[1:])
    form = RIGHT if (number + sample) % 3 == 0 and number != 5 else WRONG
    return form.format(n=number + 2, m=sample)


def run(folder, answers, tasks=TASKS, **practice):
    chosen = recipe(**({"codegen__num_samples": 3, "codegen__batch_sequences": 4} | practice))
    return practise(chosen, answers, task_set(*tasks, invalid={"mine/a": "no"}), folder, EvalOptions())


def test_a_round_asks_the_tasks_that_did_not_pass_often_enough_with_new_samples(tmp_path):
    result = run(tmp_path, Answers(some_pass), rounds=2, keep_per_task=1)
    assert result["problems_left_out"] == {"mine/a": "no"}
    first, second = result["rounds"]
    assert (first["tasks"], first["answers"], first["passed"], first["tasks_passed"]) == (7, 21, 6, 6)
    assert (second["tasks"], second["answers"], second["passed"]) == (1, 3, 0)
    all_pass = Answers(lambda problem, sample: RIGHT.format(n=2, m=sample))
    assert len(run(tmp_path / "all", all_pass, rounds=2, keep_per_task=1)["rounds"]) == 1
    samples = read_journal(tmp_path / "samples.jsonl")
    of_hardest = [line for line in samples if line["task"] == TASKS[5].key]
    assert sorted(line["sample"] for line in of_hardest) == [0, 1, 2, 3, 4, 5]
    assert len({line["seed"] for line in of_hardest}) == 6
    rows = read_journal(tmp_path / "kept.jsonl")
    assert (len(rows), result["kept"], result["yield"]) == (6, 6, 6 / 24)
    assert rows[0] == {
        "language": "python", "prompt": "def f0(n):\n", "completion": "    return 2 * n + 0\n", "task": TASKS[0].key,
        "sampler": "made", "temperature": 0.8, "seed": samples[0]["seed"], "sample": 0, "repair": 0, "round": 1,
        "verdict": "passed",
    }  # fmt: skip


def test_verdicts_of_tests_that_were_mended_since_do_not_count(tmp_path):
    def answers(right):
        return Answers(lambda problem, sample: (RIGHT if problem.id in right else WRONG).format(n=2, m=0))

    number = {"codegen__num_samples": 1, "keep_per_task": 1}
    run(tmp_path, answers({"f0", "f2"}), TASKS[:3], **number)
    mended = [task(f"f{number}", tests=f"assert f{number}(2) == 3  # not 4, by *\n") for number in (1, 2)]
    result = run(tmp_path, answers({"f0", "f1"}), [TASKS[0], *mended], examples=2, **number)
    assert [(told["answers"], told["passed"]) for told in result["rounds"]] == [(3, 2), (2, 1)]
    assert [row["task"] for row in read_journal(tmp_path / "kept.jsonl")] == [TASKS[0].key, TASKS[1].key]
    assert result["dropped"] == {"of a task that was changed": 1}
    (examples,) = read_journal(tmp_path / "rounds.jsonl")[-1]["examples"].values()
    assert [example.partition("\n")[0] for example in examples] == [TASKS[0].prompt.strip()]


def test_an_answer_given_before_is_judged_anew_by_mended_tests(tmp_path, monkeypatch):
    judged = []
    monkeypatch.setattr(Judge, "_judged", lambda self, programs: judged.extend(programs) or read_by_eye(self, programs))
    answers = Answers(lambda problem, sample: WRONG.format(n=2, m=0))
    for tests, number in (("assert f0(2) == 4", 1), ("assert f0(2) == 4", 1), ("assert f0(2) == 3", 2)):
        run(tmp_path, answers, [task("f0", tests=tests)], rounds=number, min_yield=0.0, codegen__num_samples=1)
        assert len({one[0].tests for one in judged}) == number
    assert len(judged) == 2


def test_where_every_task_has_passed_nothing_is_asked_and_nothing_is_amiss(tmp_path):
    kept = run(tmp_path, Answers(lambda problem, sample: RIGHT.format(n=2, m=sample)), keep_per_task=1)["kept"]
    result = run(tmp_path, Answers(some_pass, "another"), keep_per_task=1)
    assert (result["answers"], result["kept"], result["too_few"], result["advice"]) == (0, kept, False, None)
    assert "nothing was asked" in str(practice_table(result).notes)


def test_prompts_of_like_length_are_asked_together_as_padding_costs_what_text_does(tmp_path):
    lengths = [(7 * number) % 36 for number in range(36)]
    tasks = [task(f"f{number}", prompt=f"# {'x' * length}\n") for number, length in enumerate(lengths)]
    answers = Answers(lambda problem, sample: WRONG.format(m=sample))
    run(tmp_path, answers, tasks, codegen__num_samples=1, min_yield=0.0)
    asked = [len(prompt) - 3 for prompt in answers.prompts]
    batches = [asked[begin : begin + 4] for begin in range(0, 36, 4)]
    first, last = sorted(lengths[:32]), sorted(lengths[32:])  # eight batches of 4: what is far down the list waits
    assert sorted(batches[:8]) == [first[begin : begin + 4] for begin in range(0, 32, 4)]
    assert batches[8] == last
    assert batches[:8] != sorted(batches[:8])  # nor do the short ones come first, by which the round is judged


def test_the_same_command_does_nothing_more_another_model_adds_a_round_and_other_folders_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no practice"):
        run(tmp_path, Answers(some_pass))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "notes.txt").unlink()
    run(tmp_path, Answers(some_pass))
    before = files(tmp_path)
    again = Answers(some_pass)
    run(tmp_path, again)
    assert (again.prompts, files(tmp_path)) == ([], before)
    result = run(tmp_path, Answers(lambda problem, sample: RIGHT.format(n=sample, m=9), "teacher"))
    assert [told["sampler"] for told in result["rounds"]] == ["made", "teacher"]
    assert {row["sampler"] for row in read_journal(tmp_path / "kept.jsonl")} == {"made", "teacher"}


def test_a_round_whose_server_is_not_there_leaves_no_trace_in_what_another_asks(tmp_path):
    gone = Answers(some_pass, "gone")
    gone.batches_left = 0
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out", gone)
    assert json.loads((tmp_path / "out" / "practice.json").read_text())["rounds"] == []
    run(tmp_path / "out", Answers(some_pass))
    run(tmp_path / "whole", Answers(some_pass))
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_what_was_answered_before_a_server_fails_is_judged(tmp_path):
    failing = Answers(some_pass)
    failing.batches_left, failing.error = 2, ConfigError("endpoint: refuses")
    with pytest.raises(ConfigError):
        run(tmp_path, failing)
    samples, verdicts = (len(read_journal(tmp_path / f"{name}.jsonl")) for name in ("samples", "verdicts"))
    assert samples == verdicts > 0


def test_interrupted_and_gone_on_with_it_ends_with_the_same_files(tmp_path):
    ways = {"rounds": 2, "repairs": 1, "examples": 1}
    run(tmp_path / "whole", Answers(some_pass), **ways)
    for num_batches in (0, 1, 4, 7):
        folder, dying = tmp_path / f"{num_batches}", Answers(some_pass)
        dying.batches_left = num_batches
        with pytest.raises(KeyboardInterrupt):
            run(folder, dying, **ways)
        for file in (folder / "samples.jsonl", folder / "verdicts.jsonl"):
            if file.is_file():  # and a kill in the middle of a line, which loses it
                file.write_bytes(file.read_bytes()[:-7])
        run(folder, Answers(some_pass), **ways)
        assert files(folder) == files(tmp_path / "whole"), num_batches


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    passing=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5), st.integers(0, 3)), max_size=25),
    keep=st.integers(1, 3),
)
def test_at_most_so_many_answers_of_a_task_are_kept_each_another_one_that_passed(tmp_path_factory, passing, keep):
    table = {(f"f{number}", sample): RIGHT.format(n=shape, m=number) for number, sample, shape in passing}

    def answer(problem, sample):
        return table.get((problem.id, sample), WRONG)

    folder = tmp_path_factory.mktemp("practice")
    run(folder, Answers(answer), keep_per_task=keep, rounds=2, min_yield=0.0)
    rows = read_journal(folder / "kept.jsonl")
    for asked in TASKS:
        own = [row["completion"] for row in rows if row["task"] == asked.key]
        right = {text for (name, _), text in table.items() if name == asked.id}
        assert len(own) == len(set(own)) <= keep
        assert set(own) <= right
        assert own or not {text for (name, sample), text in table.items() if name == asked.id and sample < 3}


_WRONG_IN_CHAT = """This answer to the task below is wrong:

```python
def f0(n):
    return n - 1
```

The judge says:

```
4 was wanted
```

Write it anew, without that mistake. def f0(n):
"""


@pytest.mark.parametrize(("chat", "shown"), [(False, "# def f0(n):\n#     return n - 1\n"), (True, _WRONG_IN_CHAT)])
def test_a_failing_answer_is_asked_for_again_with_what_the_judge_said(tmp_path, chat, shown):
    def mended(problem, sample):
        return RIGHT.format(n=2, m=0) if "4 was wanted" in problem.prompt else WRONG.format(m=1)

    answers = Answers(mended)
    result = run(tmp_path, answers, TASKS[:1], repairs=2, chat=chat)
    assert (result["answers"], result["passed"], result["rounds"][0]["repaired"]) == (6, 3, 3)
    assert shown in answers.prompts[-1]
    (row,) = read_journal(tmp_path / "kept.jsonl")
    assert (row["prompt"], row["repair"]) == (TASKS[0].prompt, 1)


_HELP = "def known(n):\n    return 2 * n\n\n# In Python:\n# twice = lambda n: 2 * n\n\ndef f0(n):\n"
_HELP_IN_CHAT = """Another task, and python code that solves it:

```python
def known(n):
    return 2 * n
```

A solution of the task below in Python:

```python
twice = lambda n: 2 * n
```

def f0(n):
"""


@pytest.mark.parametrize(("chat", "asked"), [(False, _HELP), (True, _HELP_IN_CHAT)])
def test_solution_and_examples_stand_above_the_task_and_not_in_what_is_kept(tmp_path, chat, asked):
    shown = task("known", reference="    return 2 * n")
    answers = Answers(some_pass)
    chosen = recipe(show_solution=True, examples=1, chat=chat, codegen__batch_sequences=4)
    posed = task_set(shown, TASKS[0], solutions={TASKS[0].key: "twice = lambda n: 2 * n"})
    practise(chosen, Answers(lambda *_: WRONG.format(m=1)), task_set(shown), tmp_path / "other", EvalOptions())
    answers._text_of = lambda problem, sample: RIGHT.format(n=2, m=sample)
    practise(chosen, answers, posed, tmp_path / "own", EvalOptions())
    assert answers.prompts[0] == shown.prompt  # never its own reference
    assert answers.prompts[4] == asked
    assert {row["prompt"] for row in read_journal(tmp_path / "own" / "kept.jsonl")} == {shown.prompt, TASKS[0].prompt}


def test_where_too_little_passes_it_stops_and_says_what_to_do(tmp_path):
    many = [task(f"f{number}") for number in range(100)]
    bad = Answers(lambda problem, sample: WRONG.format(m=sample))
    result = run(tmp_path, bad, many, codegen__batch_sequences=50)
    assert (result["answers"], result["stopped"], result["too_few"]) == (200, True, True)
    assert "source" in result["advice"]
    assert "teacher" in result["advice"]
    assert "examples" not in result["advice"]  # there are none
    one = Answers(lambda problem, sample: RIGHT.format(n=2, m=0) if sample == 0 else WRONG.format(m=sample))
    seldom = run(tmp_path / "seldom", one, many, codegen__batch_sequences=50, min_yield=0.5)
    assert 0 < seldom["passed"] < seldom["answers"] / 2
    assert "practice.examples" in seldom["advice"]
    assert json.loads((tmp_path / "practice.json").read_text())["yield"] == 0
    on = run(tmp_path, bad, many, codegen__batch_sequences=50, min_yield=0.0)
    assert (on["answers"], on["stopped"]) == (300, False)


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("rounds", {}, "line 1: round: is missing"),
        ("rounds", {"round": "x"}, "line 1: round: 'x': must be a whole number"),
        ("rounds", {"maker": []}, "line 1: maker: .*must be keys with values"),
        ("samples", {"completion": 5}, "line 1: completion: 5: must be text"),
        ("samples", {"round": 7}, "rounds.jsonl lacks the line that task .*f0, sample 0, repair 0 goes with"),
        ("verdicts", {"outcome": "fine"}, "line 1: outcome: 'fine'"),
        ("verdicts", {"answer": None}, "line 1: answer: is missing"),
        ("verdicts", {"sample": 77}, "samples.jsonl lacks the line that task .*f0, sample 77"),
    ],
)
def test_a_journal_that_cannot_be_gone_on_with_is_told_before_anything_is_written(tmp_path, name, line, said):
    run(tmp_path, Answers(some_pass))
    file = tmp_path / f"{name}.jsonl"
    first, *others = read_journal(file)
    write_journal(file, [first | line if line else {}, *others])
    (tmp_path / "recipe.yaml").unlink()
    before = tree(tmp_path)
    with pytest.raises(OutputError, match=f"output: .*{name}.jsonl.*{said}"):
        run(tmp_path, Answers(some_pass))
    assert tree(tmp_path) == before


def journal(folder, *answers):
    found = PracticeJournal(folder)
    maker = {"settings": {"temperature": 0.5}}
    line = {"round": 1, "sampler": "made", "maker": maker, "tasks": {}, "num_samples": 1, "examples": {}}
    for number, (asked, text) in enumerate(answers):
        key = (asked.key, number, 0)
        found.add_samples(line, [(key, asked.prompt, request_of(asked, number, 0), Completion(text, Finish.stop))])
        found.add_verdicts({key: {"outcome": "passed", "stage": "run", "output": "", "answer": text}})
    return found


def kept(folder, *answers, keep=9, index=None):
    rows, dropped = kept_rows(journal(folder, *answers), keep, task_set(index=index or BenchmarkIndex([])))
    return [row["sample"] for row in rows], dropped


def test_of_a_task_equal_and_nearly_equal_answers_go_and_of_others_no_more_stay_than_asked_for(tmp_path):
    one = task("one", prompt="def one(values, limit):\n")
    texts = [BODY, BODY.replace("    ", "  "), BODY.replace("+ 1", "+ 2"), "    return 7\n", "    return 8\n"]
    answers = [(one, text) for text in texts]
    assert kept(tmp_path, *answers) == ([0, 3, 4], {"duplicate": 2})
    (tmp_path / "two").mkdir()
    assert kept(tmp_path / "two", *answers, keep=2) == ([0, 3], {"duplicate": 2, "more of a task": 1})


def test_one_answer_to_two_tasks_stays_and_one_task_twice_goes(tmp_path):
    words = "# Sums up what stands at even places and is above the limit.\n"
    one, same = (task(name, prompt=f"{words}def score(values, limit):\n") for name in ("one", "same"))
    other = task("other", prompt="# Something else, told in quite other words, of a list.\ndef f(values, limit):\n")
    short = [task(name, prompt=f"# {name} of n, in a few words that say it.\ndef {name}(n):\n") for name in ("a", "b")]
    answers = [(one, BODY), (same, BODY), *((asked, "    return n\n") for asked in short)]
    assert kept(tmp_path, *answers, (other, "    return 3\n")) == ([0, 2, 3, 4], {"duplicate": 1})


def test_in_go_what_is_learnt_compiles_without_the_judges_imports(tmp_path):
    prompt = "package main\n\n// root of n\nfunc root(n float64) float64 {\n"
    fields = {"language": "go", "prompt": prompt, "form": "calls", "tests": '[["[4.0]", "2.0"]]'}
    run(
        tmp_path,
        Answers(lambda *_: "\treturn 1 * math.Sqrt(n)\n}\n"),
        [task("root", **fields)],
        rounds=2,
        examples=1,
        codegen__num_samples=1,
    )
    (row,) = read_journal(tmp_path / "kept.jsonl")
    imported = prompt.replace("main\n", 'main\n\nimport (\n\t"math"\n)\n', 1)
    assert row["prompt"] == imported
    *_, second = read_journal(tmp_path / "rounds.jsonl")
    assert second["examples"] == {"go": [imported + row["completion"]]}


@pytest.mark.parametrize(
    ("language", "prompt", "line"),
    [
        ("go", "package main\n\nfunc root(n float64) float64 {\n", 'import "math"'),
        ("java", "import java.util.*;\n\nclass Problem {\n    static double root(double n) {\n", "import java.io.*;"),
    ],
)
def test_an_answers_own_imports_are_learnt_at_the_head_of_the_prompt(language, prompt, line, tmp_path):
    body = "    return 1;\n}\n"
    asked = task("root", language=language, prompt=prompt)
    (row,), _ = kept_rows(journal(tmp_path, (asked, f"{line}\n{body}")), 1, task_set())
    head, rest = ("package main\n", prompt.removeprefix("package main\n")) if language == "go" else ("", prompt)
    assert (row["prompt"], row["completion"]) == (f"{head}{line}\n{rest}", body)


def test_what_holds_a_problem_of_a_benchmark_goes(tmp_path):
    one = task("one", prompt="def one(values, limit):\n")
    index = BenchmarkIndex(parts_of([task("theirs", prompt="def theirs(values, limit):\n", reference=BODY)]))
    renamed = BODY.replace("total", "result").replace("place", "index")
    assert kept(tmp_path, (one, renamed), (one, "    return 3\n"), index=index) == ([1], {"contaminated": 1})


def test_of_answers_that_are_not_judged_no_share_is_told():
    assert "%" not in str(RoundProgress(round=1, total=8, resumed=0, answered=4))
    assert "0 of 4 pass (0.0%)" in str(RoundProgress(round=1, total=8, resumed=0, answered=4, answers=4))
