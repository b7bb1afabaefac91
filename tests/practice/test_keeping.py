"""What is kept differs from all else that is kept, and holds no problem of a benchmark."""

from multipl_moe.codegen.completer import Completion, Finish, request_of
from multipl_moe.corpus.decontamination.index import BenchmarkIndex
from multipl_moe.corpus.decontamination.parts import parts_of
from multipl_moe.practice.journal import PracticeJournal
from multipl_moe.practice.keeping import kept_rows
from tests.practice.made import task

BODY = """    total = 0
    for place, value in enumerate(sorted(values)):
        if place % 2 == 0 and value > limit:
            total += value * place
        elif value < limit:
            total -= value + 1
    return total
"""


def journal(folder, *answers):
    found = PracticeJournal(folder)
    maker = {"settings": {"temperature": 0.5}}
    found.add_round({"round": 1, "sampler": "made", "maker": maker, "tasks": {}, "num_samples": 1, "examples": {}})
    for number, (asked, text) in enumerate(answers):
        key = (asked.key, number, 0)
        found.add_samples(1, [(key, asked.prompt, request_of(asked, number, 0), Completion(text, Finish.stop))])
        found.add_verdicts({key: {"outcome": "passed", "stage": "run", "output": "", "answer": text}})
    return found


def kept(folder, *answers, keep=9, index=None):
    rows, dropped = kept_rows(journal(folder, *answers), keep, index or BenchmarkIndex([]))
    return [row["sample"] for row in rows], dropped


def test_of_a_task_equal_and_nearly_equal_answers_go_and_others_stay(tmp_path):
    one = task("one", prompt="def one(values, limit):\n")
    texts = [BODY, BODY.replace("    ", "  "), BODY.replace("+ 1", "+ 2"), "    return 7\n", "    return 8\n"]
    assert kept(tmp_path, *((one, text) for text in texts)) == ([0, 3, 4], {"duplicate": 2})


def test_one_answer_to_two_tasks_stays_and_one_task_twice_goes(tmp_path):
    words = "# Sums up what stands at even places and is above the limit.\n"
    one, same = (task(name, prompt=f"{words}def score(values, limit):\n") for name in ("one", "same"))
    other = task("other", prompt="# Something else, told in quite other words, of a list.\ndef f(values, limit):\n")
    short = [task(name, prompt=f"# {name} of n, in a few words that say it.\ndef {name}(n):\n") for name in ("a", "b")]
    answers = [(one, BODY), (same, BODY), *((asked, "    return n\n") for asked in short)]
    assert kept(tmp_path, *answers, (other, "    return 3\n")) == ([0, 2, 3, 4], {"duplicate": 1})


def test_what_holds_a_problem_of_a_benchmark_goes(tmp_path):
    one = task("one", prompt="def one(values, limit):\n")
    index = BenchmarkIndex(parts_of([task("theirs", prompt="def theirs(values, limit):\n", reference=BODY)]))
    renamed = BODY.replace("total", "result").replace("place", "index")
    assert kept(tmp_path, (one, renamed), (one, "    return 3\n"), index=index) == ([1], {"contaminated": 1})


def test_no_more_of_a_task_than_asked_for(tmp_path):
    one = task("one")
    answers = [(one, f"    return {number}\n") for number in range(4)]
    assert kept(tmp_path, *answers, keep=2) == ([0, 1], {"more of a task": 2})
