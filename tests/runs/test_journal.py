"""A journal holds whole lines whatever happens, and all that were told to be on disk."""

import pytest

from multipl_moe.errors import OutputError
from multipl_moe.runs.journal import append_to_journal, mend_journal, read_journal, write_journal

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


def test_what_is_torn_can_be_cut(tmp_path):
    file = tmp_path / "journal.jsonl"
    for content, whole in ((b"", b""), (b'{"a', b""), (b'{}\n{"a"', b"{}\n"), (b"{}\n", b"{}\n")):
        file.write_bytes(content)
        mend_journal(file)
        assert file.read_bytes() == whole


@pytest.mark.parametrize("line", ["nonsense", "[]", ""])
def test_a_line_that_is_none_is_named(tmp_path, line):
    (tmp_path / "journal.jsonl").write_text(f"{{}}\n{line}\n")
    with pytest.raises(OutputError, match=r"journal\.jsonl, line 2 is no JSON object"):
        read_journal(tmp_path / "journal.jsonl")
