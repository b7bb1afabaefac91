import json
from collections.abc import Callable
from pathlib import Path

import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.languages.own import add_languages
from multipl_judge.problems import forms
from multipl_judge.problems.exercism import read_exercism
from multipl_judge.problems.extract import completion_of_answer
from multipl_judge.problems.problem import Problem
from multipl_moe.recipe.recipe import validate_recipe
from tests.multipl_judge.problems.tracks import TRACKS, write_track

_LEAVES_OUT = (
    "#undef EXERCISM_RUN_ALL_TESTS\n#define REQUIRE_THROWS_AS(...) (void)0\n#define REQUIRE_THROWS_WITH(...)\n"
)


def exercise(folder: Path, language: str) -> tuple[Problem, str]:
    """The exercise of a track and its example."""
    (problem,) = read_exercism(write_track(folder, language))
    assert problem.reference is not None
    return problem, problem.reference


@pytest.mark.parametrize("language", TRACKS)
def test_the_example_passes_a_spoilt_one_fails_and_leaving_is_no_pass(language, tmp_path, judged):
    problem, reference = exercise(tmp_path, language)
    assert problem.language == language
    assert judged(problem, reference).outcome == Outcome.passed
    wrong, leaving = (reference.replace(*change) for change in (TRACKS[language].wrong, TRACKS[language].leave))
    judgement = judged(problem, wrong)
    assert judgement.outcome == Outcome.wrong_answer, judgement.output
    judgement = judged(problem, leaving)
    assert judgement.outcome == Outcome.tests_not_completed, judgement.output


@pytest.mark.parametrize("language", TRACKS)
def test_the_prompt_is_a_comment_that_tells_the_task_and_how_the_file_begins(language: str, tmp_path: Path):
    problem, _ = exercise(tmp_path, language)
    lines = [line for line in problem.prompt.splitlines() if line]
    assert {line[:1] for line in lines} == {lines[0][0]}
    assert "Weigh the parts of a box." in problem.prompt
    solution = TRACKS[language].files["solution"][0]
    assert f"{solution} begins as:" in problem.prompt
    assert forms.tests_run(problem) > 0
    assert (problem.key, problem.cluster) == (f"exercism/{language}/parcel-box", "exercism/parcel-box")


def test_the_blocks_of_a_chat_answer_are_its_files(tmp_path: Path):
    problem, reference = exercise(tmp_path, "cpp")
    texts = [TRACKS["cpp"].texts[name] for name in sorted(TRACKS["cpp"].files["example"], reverse=True)]
    answer = "Here it is:\n\n" + "\n\nand\n\n".join(f"```cpp\n{text}```" for text in texts) + "\n\nDone.\n"
    assert completion_of_answer(problem, answer) == reference


def test_all_exercises_of_several_tracks_are_found_and_languages_chosen(tmp_path: Path):
    for language in TRACKS:
        write_track(tmp_path, language)
    assert {problem.language for problem in read_exercism(tmp_path)} == set(TRACKS)
    assert [problem.language for problem in read_exercism(tmp_path, {"go"})] == ["go"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (".meta/config.json", "[" * 100_000, "is not JSON"),
        (".meta/config.json", '{"files": {"solution": 3}}', "'solution' is 3 and no list of texts"),
        (".meta/config.json", '{"files": {"solution": ["a.rb"]}}', "names no file with tests in ruby"),
        (".meta/config.json", '{"files": {"solution": ["../../x.rb"]}}', r"names \.\./\.\./x\.rb, which is no path"),
        ("parcel_box_test.rb", None, "parcel_box_test.rb cannot be read"),
    ],
)
def test_what_is_wrong_with_an_exercise_is_told(name: str, text: str | None, message: str, tmp_path: Path):
    place = write_track(tmp_path, "ruby") / "exercises" / "practice" / "parcel-box"
    (place / name).unlink() if text is None else (place / name).write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        read_exercism(tmp_path)
    assert "exercism" in str(error.value)


def test_a_track_has_to_be_one(tmp_path: Path):
    with pytest.raises(ConfigError, match="holds no exercise"):
        read_exercism(tmp_path)


@pytest.mark.parametrize(
    ("language", "trick"),
    [
        ("python", "import unittest\nunittest.TestCase.assertEqual = lambda *values: None\n"),
        ("python", "import unittest\nunittest.TestCase.run = lambda self, result=None: result.startTest(self)\n"),
        ("ruby", "require 'minitest'\nclass Minitest::Test\n  def assert_equal(*) = true\nend\n"),
        ("cpp", "#define REQUIRE(...) (void)0\n#define __assert_fail(...) throw 1\n"),
        ("cpp", "#define run() name\n"),
    ],
)
def test_a_solution_that_changes_its_framework_does_not_pass(language, trick, tmp_path, judged):
    problem, reference = exercise(tmp_path, language)
    assert judged(problem, trick + reference.replace(*TRACKS[language].wrong)).outcome != Outcome.passed


def test_a_cpp_solution_leaves_out_no_test(tmp_path: Path, judged: Callable[[Problem, str], Judgement]):
    problem, reference = exercise(tmp_path, "cpp")
    assert judged(problem, _LEAVES_OUT + reference).outcome == Outcome.passed
    assert judged(problem, _LEAVES_OUT + reference.replace('"empty"', '"full"')).outcome == Outcome.wrong_answer


SHELL = {
    "executables": {"sh": ["/bin/sh"]},
    "version": ["{sh}", "-c", "echo 1"],
    "test": ["{sh}", "-c", "cd {folder} && . ./lib/parcel.mine && . ./test/parcel_test.mine"],
    "test_passed": r"^\d+ tests? passed$",
    "failed_assertion": r"^not equal: ",
}


@pytest.mark.usefixtures("tables")
def test_a_track_of_ones_own_language_is_judged_by_its_test_command(tmp_path, judged_own):
    names = {"solution": ["lib/parcel.mine"], "test": ["test/parcel_test.mine"], "example": [".meta/example.mine"]}
    texts = {
        ".meta/config.json": json.dumps({"files": names}),
        ".meta/example.mine": "weight() {\n  echo $(($1 + $2))\n}\n",
        "lib/parcel.mine": "weight() {\n}\n",
        "test/parcel_test.mine": 'got=$(weight 2 3)\n[ "$got" = 5 ] || { echo "not equal: $got"; exit 1; }\n'
        "echo 1 test passed\n",
    }
    for name, text in texts.items():
        (tmp_path / "parcel" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "parcel" / name).write_text(text)
    own = {"mine": {"extensions": [".mine"], "toolchain": SHELL}}
    with pytest.raises(ConfigError, match=r"toolchain\.test and test_passed"):
        read_exercism(tmp_path)
    add_languages(validate_recipe({"own_languages": own}).own_languages)
    (problem,) = read_exercism(tmp_path)
    assert problem.reference is not None
    judgement = judged_own(problem, problem.reference)
    assert judgement.outcome == Outcome.passed, judgement.output
    assert judged_own(problem, problem.reference.replace("+", "-")).outcome == Outcome.wrong_answer
    assert judged_own(problem, f"exit 0\n{problem.reference}").outcome == Outcome.tests_not_completed
