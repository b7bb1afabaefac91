"""Problems in files: twenty of them found in every disguise, none found where there is none."""

import random
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from datatrove.data import Document

from multipl_judge.languages.table import LANGUAGES
from multipl_judge.problems.human_eval import read_human_eval
from multipl_judge.problems.problem import Problem
from multipl_judge.problems.starter_set import read_starter
from multipl_moe.corpus.decontamination.index import BenchmarkIndex, Decontaminate
from multipl_moe.corpus.decontamination.parts import load_parts, parts_of
from tests.corpus.conftest import program
from tests.corpus.decontamination.disguises import DISGUISES, whole

# Ten of HumanEval, and two in each other language, whose solutions are more than an idiom.
HUMAN_EVAL = (0, 10, 20, 32, 64, 81, 95, 109, 129, 160)
STARTER = ("merge_intervals", "calculate")


@pytest.fixture(scope="module")
def index() -> BenchmarkIndex:
    return BenchmarkIndex([*load_parts(), *parts_of(read_starter())])


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    chosen = [problem for problem in read_human_eval() if int(problem.id.rpartition("/")[2]) in HUMAN_EVAL]
    chosen += [one for one in read_starter() if one.id in STARTER and one.language != "python"]
    assert len(chosen) == 20
    return chosen


@pytest.fixture(scope="module")
def library() -> list[str]:
    """Files of Python's standard library."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = [file.read_text(encoding="utf-8") for file in random.Random(0).sample(files, 40)]
    return [text for text in texts if len(text) > 5000]


def around(problem: Problem, library: list[str]) -> str:
    """Whole code in the problem's language, so that no string or comment of it runs on into the problem."""
    return library[0] if problem.language == "python" else "\n".join(map(whole, read_starter([problem.language])[:9]))


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_twenty_problems_are_found_in_this_disguise_inside_a_longer_file(index, problems, library, disguise: Callable):
    kinds = set()
    for problem in problems:
        filler = around(problem, library)
        matches = index.find(f"{filler}\n{disguise(problem)}\n{filler}", problem.language)
        (match,) = [one for one in matches if (one.benchmark, one.problem) == (problem.benchmark, problem.id)]
        kinds.add(match.kind)
    assert kinds == {"structure"} or disguise is not DISGUISES["renamed"]


def found(index: BenchmarkIndex, text: str, problem: Problem) -> set[tuple[str, str]]:
    return {(match.benchmark, match.problem) for match in index.find(text, problem.language)}


def test_a_problem_in_a_text_that_is_no_code_is_found_by_its_words(index, problems):
    text = "# A page\n\nSolve this:\n\n" + problems[0].prompt
    assert ("humaneval", problems[0].id) in {
        (match.benchmark, match.problem) for match in index.find(text, "english", is_code=False)
    }


def test_the_standard_library_holds_no_problem(index, library):
    assert len(library) > 20
    assert [match for text in library for match in index.find(text, "python")] == []


def test_three_quarters_of_a_prompt_are_found_and_a_sentence_of_it_is_not(index, problems):
    longest = max(problems, key=lambda problem: len(problem.prompt.split()))
    words = longest.prompt.split()
    assert ("humaneval", longest.id) in found(index, " ".join(words[: len(words) * 3 // 4]), longest)
    assert not index.find(" ".join(words[:12]), longest.language)


ROMAN, SPIRAL = (problem for problem in read_starter(["rust"]) if problem.id in ("spiral_order", "to_roman"))


def documents(**texts: str) -> list[Document]:
    return [Document(text, name, metadata={"language": "rust", "path": name}) for name, text in texts.items()]


def test_files_with_problems_are_dropped_with_the_problems_named_and_counted(index):
    step = Decontaminate(index, LANGUAGES)
    given = documents(clean=program(1), one=program(2) + whole(SPIRAL), both=whole(SPIRAL) + whole(ROMAN))
    assert [document.id for document in step.run(given)] == ["clean"]
    assert given[1].metadata["detail"].startswith("starter/spiral_order (")
    assert {"starter/spiral_order", "starter/to_roman"} <= set(given[2].metadata["detail"].replace(" ", ",").split(","))
    counts = {label: int(value.total) for label, value in step.stats.stats.items() if "contaminated" in label}
    assert counts == {
        "dropped_contaminated": 2,
        "contaminated/starter/spiral_order": 2,
        "contaminated/starter/to_roman": 1,
    }
