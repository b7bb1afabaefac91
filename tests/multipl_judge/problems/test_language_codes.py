import pytest

from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.own import OwnLanguage, add_languages
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.language_codes import language_of


@pytest.mark.parametrize(
    ("codes", "language"),
    [
        (["python", "py", "Python", "python3"], "python"),
        (["java", "Java", ".java"], "java"),
        (["cpp", "C++", "cc", "CPP"], "cpp"),
        (["rs", "rust", "Rust"], "rust"),
        (["go", "golang", "go_test.go", "Go"], "go"),
        (["rb", "ruby"], "ruby"),
        (["js", "", "english", "text"], None),
    ],
)
def test_the_usual_names_of_a_language_mean_it(codes, language):
    assert {language_of(code) for code in codes} == {language}


def test_a_language_of_a_recipe_has_its_title_endings_and_other_names(tables):
    names = {"title": "Acme Rules", "extensions": (".acr", ".acx"), "other_names": ("ax",)}
    add_languages({"acme": OwnLanguage.model_validate({**names, "toolchain": TOOLCHAINS["lua"]})})
    assert {language_of(code) for code in ("Acme", "acme rules", "acx", "AX")} == {"acme"}


def test_a_language_of_a_recipe_takes_no_name_of_another(tables):
    names = {"extensions": (".luau", ".lua", ".rs"), "other_names": ("python",)}
    add_languages({"luau": OwnLanguage.model_validate({**names, "toolchain": TOOLCHAINS["lua"]})})
    assert [language_of(code) for code in ("lua", "rs", "python", "luau")] == ["lua", "rust", "python", "luau"]
    assert {key: language_of(key) for key in HARNESSES} == {key: key for key in HARNESSES}
