import time
from itertools import product
from pathlib import Path

import pytest

from multipl_judge.languages.own import OwnLanguage, add_languages
from multipl_judge.languages.source_text import bare_code, body_end, function_name, open_blocks, without_comments
from multipl_judge.problems.humaneval_x import read_humaneval_x
from multipl_judge.problems.multipl_e import read_multipl_e


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("cpp", 'char c = \'{\'; // {\nstring s = "{\\"{"; /* {\n{ */ auto r = R"x({)")x";'),
        ("rust", "fn f<'a>(x: &'a str) { let c = '{'; let s = r#\"{\"{\"#; /* { */ }"),
        ("rust", "let c = cr#\"{\"{\"#; let q = ['\\u{0_0_0_0_2_2}','\"']; let d = '{'; // '"),
        ("java", 'String s = """\n{ "x" {\n"""; char c = \'{\';'),
        ("go", "s := `{\n{`; r := '{' // {"),
    ],
)
def test_braces_in_literals_and_comments_do_not_count(language, code):
    assert open_blocks(code, language) == 0
    assert open_blocks("{" + code, language) == 1


def test_comments_go_and_literals_stay():
    assert without_comments('f("//x"); // y\n', "cpp") == 'f("//x");  \n'
    assert without_comments("s = '#x' # y\n", "python") == "s = '#x'  \n"
    assert without_comments('s = "#{x}" # y\n', "ruby") == 's = "#{x}"  \n'


@pytest.mark.parametrize(
    ("markers", "code", "left"),
    [
        ({"line_comment": "%"}, "f(X). % y (* z\n// g\n", "f(X).  \n// g\n"),
        ({"block_comment": ["(*", "*)"]}, 'f "(*x*)" (* y\n* *) g (* z', 'f "(*x*)"   g  '),
        ({"line_comment": "--", "block_comment": ["--[", "]"]}, "f --[ x\n] g -- y", "f   g  "),
        ({}, "f // x\n", "f  \n"),
    ],
)
def test_comments_of_a_language_of_ones_own_go_by_its_markers(tables, markers, code, left):
    add_languages({"mine": OwnLanguage(**markers)})
    assert without_comments(code, "mine") == left


@pytest.mark.parametrize("body", ["    if (x) { y(); }\n    return 1; // }\n}", "    return '}';\n}"])
@pytest.mark.parametrize("rest", ["\nint g() {}", ""])
def test_the_end_of_a_body_is_after_its_own_brace(body, rest):
    assert body_end(body + rest, "cpp") == len(body)
    assert body_end(body.removesuffix("}"), "cpp") is None


@pytest.mark.parametrize(
    ("language", "code", "bare"),
    [
        ("cpp", "{ /* } ", "{  "),
        ("cpp", '{ R"x(} )y" ', "{  "),
        ("java", '{ """ } ', "{  "),
        ("python", "x = ''' y \\", "x =  "),
        ("python", '"""\nassert x\n"""\n', " \n"),
        ("ruby", "x\n=begin\ny\n", "x\n "),
        ("ruby", 'x = /\\"/; y = 1 # "', 'x = /\\"/; y = 1  '),
        ("java", '{ "x } \n', '{ "x } \n'),
    ],
)
def test_what_does_not_end_goes_to_the_end_and_a_lone_quotation_mark_is_none(language, code, bare):
    assert bare_code(code, language) == bare


HOSTILE = ['R"(', 'r#"', 'r"', 'r#', "/*", '\\"', "\\'", '"', "'", '\n"', '"""\\"', "'''", "`", "\n=begin", "//", "#",
           "a(", "a ", "{", "\n", "def ", "\n\t", "fn "]  # fmt: skip


@pytest.mark.parametrize("language", ["python", "ruby", "cpp", "rust", "java", "go"])
def test_hostile_text_is_read_in_proportion_to_its_length(language):
    for part, (before, after) in product(HOSTILE, (("", "\\"), ("x", ""))):
        text = before + part * (30_000 // len(part)) + after
        started = time.thread_time()
        body_end(text, language)
        function_name(text, language)
        assert time.thread_time() - started < 1, part


@pytest.fixture(params=["small_bench", pytest.param("bench", marks=pytest.mark.third_party)])
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def test_the_function_of_every_prompt_is_found(folder: Path):
    for problem in read_multipl_e("humaneval", folder / "multipl-e"):
        expected = problem.id.split("_", 2)[-1].lower().replace("_", "")
        name = function_name(problem.prompt, problem.language)
        # C++ cannot name a function as the C library does.
        assert name is not None
        assert name.lower().replace("_", "") in (expected, "stringlength"), problem.key
    for problem in read_humaneval_x(folder / "humaneval-x"):
        if problem.language == "python":
            assert problem.tests.rstrip().endswith(f"check({problem.entry_point})")
        if problem.language != "rust":
            # Two of Rust's prompts open a helper, and the function under test is left to the completion.
            assert problem.entry_point is not None
            assert problem.entry_point in problem.tests, problem.key
