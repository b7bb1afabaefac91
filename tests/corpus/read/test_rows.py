"""JSON Lines and Parquet files as sources."""

import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from datatrove.data import Document

from multipl_moe.corpus.read import row_files
from multipl_moe.errors import CorpusError
from tests.corpus.conftest import program
from tests.corpus.read.finding import find, read

LANGUAGES = ("rust", "python", "cpp")
ROWS = [
    {"text": program(1), "path": "src/a.rs", "license": "MIT"},
    {"text": program(2), "path": "b.py"},
    {"text": program(3), "language": "Rust"},
    {"text": program(4), "path": "c.unknown", "metadata": {"language": "rust", "licence": "ISC"}},
    {"text": program(5), "path": "d.unknown"},
]


def write_jsonl(path: Path, rows: list) -> Path:
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def write_parquet(path: Path, rows: list[dict]) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.parquet"])
def test_rows_tell_their_language_path_and_licence(tmp_path, name):
    write, kind = (write_parquet, "parquet") if name.endswith("parquet") else (write_jsonl, "jsonl")
    rows = [dict.fromkeys(("text", "path", "license", "language", "metadata")) | row for row in ROWS]
    path = write(tmp_path / name, rows)
    found = find(kind, path, *LANGUAGES, licence="0BSD")
    prefix = f"{tmp_path.name}/{name}"
    assert [(row.language, row.path, row.licence) for row in found] == [
        ("rust", f"{prefix}#0/src/a.rs", "MIT"),
        ("rust", f"{prefix}#2", "0BSD"),
        ("rust", f"{prefix}#3/c.unknown", "ISC"),
        ("python", f"{prefix}#1/b.py", "0BSD"),
    ]
    assert [row.text for row in found] == [program(seed) for seed in (1, 3, 4, 2)]
    assert [row.language for row in find(kind, tmp_path, "go", language="go")] == ["go"] * 5


def test_broken_rows_are_counted_not_fatal(tmp_path):
    path = write_jsonl(tmp_path / "rows.jsonl", [{"code": program(1)}, {"code": 5}, {"code": "\ud800" * 300}, [1]])
    path.write_bytes(path.read_bytes() + b"{not json\n\n")
    documents, counts = dropped({"kind": "jsonl", "path": str(path), "language": "rust", "text_key": "code"})
    assert [document.text for document in documents] == [program(1)]
    assert counts == {"dropped/unreadable/rust": 3, "dropped/encoding/rust": 1}


def dropped(source: dict) -> tuple[list[Document], dict[str, int]]:
    """The documents drawn, and the numbers of those dropped."""
    documents, counts = read(source, languages=("rust", "python", "go"))
    return documents, {label: number for label, number in counts.items() if label.startswith("dropped/")}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", b'{"body": "x"}\n', r"no column named text or content or code \(columns: body\); set text_key"),
        ("rows.jsonl", b'{"\\ud800": "x"}\n', r"no column named .* \(columns: \?\); set text_key"),
        ("rows.jsonl", b'{"text": "x"}\n', "neither path nor language; set the source's language"),
        ("answers.jsonl", b'{"text": "f"}\n', r"no column prompt and completion, or messages \(columns: text\)"),
        ("other.csv", b"", "no file that ends in"),
    ],
)
def test_files_of_no_use_are_refused_with_the_reason(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        find("answers" if name.startswith("answers") else "jsonl", tmp_path, "rust")


def test_of_a_file_that_breaks_off_what_came_before_counts(tmp_path):
    rows = [{"text": program(seed), "path": f"{seed}.rs"} for seed in range(100)]
    path = write_jsonl(tmp_path / "rows.jsonl.gz", rows)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    *found, broken = find("jsonl", path, "rust")
    assert 25 < len(found) < 75
    assert [row.text for row in found] == [program(seed) for seed in range(len(found))]
    assert (broken.path, broken.text) == (f"{tmp_path.name}/rows.jsonl.gz", None)


def test_a_broken_line_may_be_of_any_language_and_a_line_without_end_is_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(row_files, "_MAX_LINE_BYTES", 3000)
    rows = [{"text": program(seed), "path": f"{seed}.rs"} for seed in range(2)]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    path.write_bytes(b'{"text": "' + b"x" * 10_000 + b'"}\n' + path.read_bytes() + b"{not json")
    found = find("jsonl", path, "rust")
    assert [row.path.rpartition("#")[2] for row in found] == ["0", "1/0.rs", "2/1.rs", "3"]
    assert found[1].text == program(0)
    assert [row.path.rpartition("#")[2] for row in find("jsonl", path, "go")] == ["0", "3"]


@pytest.mark.parametrize("name", ["pretty.json", "list.json", "lines.jsonl", "none.json.gz", "none.parquet"])
def test_a_file_without_a_row_counts_once_with_the_first_language(tmp_path, name):
    rows = [{"text": program(seed), "path": f"{seed}.rs"} for seed in range(20)]
    content = {
        "pretty": json.dumps(rows[0] | {"more": rows}, indent=2),
        "list": json.dumps(rows, indent=2),
        "lines": "\n".join(json.dumps(list(row.values())) for row in rows),
        "none": "something else",
    }
    (tmp_path / name).write_text(content[name.partition(".")[0]])
    kind = "parquet" if name.endswith("parquet") else "jsonl"
    source = {"kind": kind, "path": str(tmp_path / name)}
    assert dropped(source) == ([], {"dropped/unreadable/rust": 1})
    assert dropped(source | {"language": "python"}) == ([], {"dropped/unreadable/python": 1})


STACK = {
    "content": program(1),
    "lang": "C++",
    "ext": "h",
    "size": 700,
    "max_stars_repo_path": "src/a.h",
    "max_stars_repo_licenses": ["MIT", "Apache-2.0"],
}
STARCODER = {"content": program(2), "max_stars_repo_path": "b.rs", "max_stars_repo_name": "o/r", "id": "7"}
SMOL = {"content": program(3), "lang": "Rust", "licenses": ["ISC"], "repository_name": "o/r", "path": "c.in"}
NAMELESS = {"content": program(4), "ext": "rs"}


def test_columns_of_well_known_data_sets_need_no_settings_and_of_several_licences_all_hold(tmp_path):
    for number, row in enumerate((STACK, STARCODER, SMOL, NAMELESS, STACK | {"lang": "C"})):
        write_parquet(tmp_path / f"{number}.parquet", [row])
    assert [
        (row.language, row.path.partition("#")[2], row.licence) for row in find("parquet", tmp_path, *LANGUAGES)
    ] == [
        ("rust", "0/b.rs", "unknown"),
        ("rust", "0/c.in", "ISC"),
        ("rust", "0.rs", "unknown"),
        ("cpp", "0/src/a.h", "MIT AND Apache-2.0"),
    ]
    licences = (["MIT OR GPL-2.0-only", "Apache-2.0"], ["MIT", "MIT"], ["MIT", None, ""], [], None)
    rows = [{"text": program(1), "path": "a.rs", "licenses": value} for value in licences]
    found = [row.licence for row in find("jsonl", write_jsonl(tmp_path / "rows.jsonl", rows), "rust")]
    assert found == ["(MIT OR GPL-2.0-only) AND Apache-2.0", "MIT", "MIT", "unknown", "unknown"]
