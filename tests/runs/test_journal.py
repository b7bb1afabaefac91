"""A journal holds whole lines whatever happens, and all that were told to be on disk."""

import pytest

from multipl_moe.errors import OutputError
from multipl_moe.runs import journal
from multipl_moe.runs.journal import (
    append_to_journal,
    journal_lines,
    mend_journal,
    read_journal,
    read_line,
    write_journal,
)

RECORDS = [{"a": 'é "\u2028\r\n'}, {"b": [1, None]}, {"c": "}"}]


def test_lines_are_read_back_as_they_were_written(tmp_path):
    file = tmp_path / "journal.jsonl"
    assert read_journal(file) == []
    append_to_journal(file, RECORDS[:1])
    append_to_journal(file, RECORDS[1:])
    assert read_journal(file) == RECORDS
    written = file.read_bytes()
    write_journal(file, RECORDS)
    assert file.read_bytes() == written


def test_a_file_torn_at_any_byte_has_its_whole_lines_and_is_completed(tmp_path):
    file = tmp_path / "journal.jsonl"
    write_journal(file, RECORDS)
    written = file.read_bytes()
    for size in range(len(written)):
        whole = written[:size].count(b"\n")
        file.write_bytes(written[:size])
        assert read_journal(file) == RECORDS[:whole]
        append_to_journal(file, RECORDS[whole:])
        assert file.read_bytes() == written


def test_a_line_is_read_where_appending_told(tmp_path):
    file = tmp_path / "journal.jsonl"
    starts = [append_to_journal(file, [record]) for record in [*RECORDS, {"d": "\ud800"}]]
    file.open("ab").write(b'{"torn')
    starts.append(append_to_journal(file, [{"e": 1}]))
    assert [start for start, _ in journal_lines(file)] == starts
    assert [read_line(file, start) for start in starts] == read_journal(file)
    assert file.read_text(encoding="utf-8")


@pytest.mark.parametrize("num_torn", [1, 100, 300])
def test_of_a_long_journal_only_the_end_is_read_to_cut_it(tmp_path, num_torn, monkeypatch):
    monkeypatch.setattr(journal, "_BLOCK_BYTES", 100)
    file = tmp_path / "journal.jsonl"
    whole = b'{"a": 1}\n' * 50
    file.write_bytes(whole + b"x" * num_torn)
    mend_journal(file)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("line", ["nonsense", "[]", ""])
def test_a_line_that_is_none_is_named(tmp_path, line):
    (tmp_path / "journal.jsonl").write_text(f"{{}}\n{line}\n")
    with pytest.raises(OutputError, match=r"journal\.jsonl, line 2 is not a JSON object"):
        read_journal(tmp_path / "journal.jsonl")
