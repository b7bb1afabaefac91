import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.problems.rows import files_of, read_rows

ROWS = [{"id": "a", "stop": ["x", "y"]}, {"id": "ü", "stop": []}]


def test_every_format_gives_the_same_rows(tmp_path):
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / "a.jsonl").write_text(lines)
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.write(lines)
    (tmp_path / "c.json").write_text(json.dumps(ROWS))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "d.parquet")
    (tmp_path / "e.lines").write_text(lines)  # named by itself, as a folder's files are told by their endings
    files = [*files_of(tmp_path), tmp_path / "e.lines"]
    words = ["line", "line", "row", "row", "line"]
    expected = [(f"{f}, {word} {i + 1}", ROWS[i]) for f, word in zip(files, words, strict=True) for i in range(2)]
    assert list(read_rows(files)) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"id": 1}\n\n{"id": \n', "line 3 is not JSON"),
        ("a.jsonl", b"[" * 100_000, "line 1 is not JSON"),
        ("a.jsonl", b"1" * 5_000, "line 1 is not JSON"),
        ("a.jsonl.gz", b"no gzip", "cannot be read"),
        ("a.json", b"{}", "not a JSON list"),
        ("a.parquet", b"no parquet", "cannot be read"),
    ],
)
def test_a_broken_file_is_told_with_its_name_and_line(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as error:
        list(read_rows([file]))
    assert str(file) in str(error.value)


def test_what_is_missing_is_told(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        list(read_rows([tmp_path / "a.jsonl"]))
    with pytest.raises(ConfigError, match="is no file; give a file"):
        list(read_rows([tmp_path]))
    with pytest.raises(ConfigError, match="holds no file"):
        files_of(tmp_path)
