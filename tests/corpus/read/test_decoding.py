"""What is text and what is not."""

import codecs

import pytest

from multipl_moe.corpus.read.decoding import RefusedFileError, decode

TEXT = "naïve = '日本'\n\tprint(naïve)\r\n"


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
        codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"),
    ],
)
def test_byte_order_marks_name_the_encoding_and_are_left_out(content):
    assert decode(content) == TEXT


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (TEXT.encode("utf-16-le"), "binary"),  # no mark says so
        (b"text\0text", "binary"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(1, 9)) * 20, "binary"),
        ("é".encode("latin-1") * 20, "encoding"),
        ("日本語のコメント".encode("shift-jis"), "encoding"),
        (b"half a letter \xc3", "encoding"),
        (b"\xed\xa0\x80", "encoding"),
        (codecs.BOM_UTF16_LE + b"a", "encoding"),
        (codecs.BOM_UTF16_LE + "a\0b".encode("utf-16-le"), "binary"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(content, reason):
    with pytest.raises(RefusedFileError, match=f"^{reason}$"):
        decode(content)


def test_form_feeds_escapes_and_the_odd_control_character_are_text():
    text = "\f# section\n" + "x = '\x1b[1m'\n" * 20 + "y = '\x01'\n"
    assert decode(text.encode()) == text
