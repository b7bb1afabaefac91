import pytest

from multipl_moe.errors import ConfigError
from multipl_moe.problems.starter_set import read_starter

GOOD = "fn f(n: i64) -> i64 {\n// --- solution\n    n\n}\n// --- tests\nfn tests() {}\n"


def write(folder, name, text):
    (folder / "rust").mkdir(exist_ok=True)
    (folder / "rust" / name).write_text(text)


def test_a_file_is_cut_at_its_markers(tmp_path):
    write(tmp_path, "same.rs", GOOD)
    (problem,) = read_starter(folder=tmp_path)
    assert problem.prompt == "fn f(n: i64) -> i64 {\n"
    assert problem.reference == "    n"
    assert problem.tests == "fn tests() {}\n"
    assert problem.entry_point == "f"
    assert problem.key == "starter/rust/same"


def test_all_faulty_files_are_told_at_once(tmp_path):
    write(tmp_path, "a.rs", GOOD.replace("// --- solution\n", ""))
    write(tmp_path, "b.rs", GOOD.replace("// --- tests\n", "// --- tests\n// --- tests\n"))
    write(tmp_path, "c.rs", GOOD.replace("fn tests() {}\n", ""))
    write(tmp_path, "d.rs", GOOD.replace("fn f(n: i64) -> i64 {", "/// Nothing."))
    write(tmp_path, "e.rs", GOOD.replace("    n\n", ""))
    with pytest.raises(ConfigError) as error:
        read_starter(folder=tmp_path)
    told = "\n".join(error.value.problems)
    for part in (
        "a.rs: 0 lines read `// --- solution`",
        "b.rs: 2 lines read `// --- tests`",
        "c.rs: no tests stand after",
        "d.rs: the prompt holds no signature",
        "e.rs: nothing stands between",
    ):
        assert part in told, told


def test_only_the_asked_languages_are_read(tmp_path):
    write(tmp_path, "a.rs", GOOD)
    assert read_starter({"go"}, folder=tmp_path) == []


def test_problems_come_in_the_order_that_is_written_down_and_others_last(tmp_path):
    for name in ("a.rs", "b.rs", "c.rs", "d.rs"):
        write(tmp_path, name, GOOD)
    (tmp_path / "order.txt").write_text("c\nb\n")
    assert [problem.id for problem in read_starter(folder=tmp_path)] == ["c", "b", "a", "d"]
