"""Bytes of a file to text, or the reason why that cannot be."""

import codecs

_BYTE_ORDER_MARKS = (  # that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Control characters that no source file needs; tabs, line ends, form feeds, backspaces and escapes are none of them.
_CONTROLS = bytes({*range(0x07), *range(0x0E, 0x20), 0x7F} - {0x1A, 0x1B})
_MAX_CONTROL_SHARE = 0.01


_EXCERPT_BYTES = 1200


class RefusedFileError(Exception):
    """A file that does not go into the corpus: the reason, as in the manifest, and how its content begins."""

    def __init__(self, reason: str, content: bytes = b""):
        super().__init__(reason)
        self.reason, self.excerpt = reason, content[:_EXCERPT_BYTES].decode("utf-8", "replace")


def decode(content: bytes) -> str:
    """Text of a file: what its byte order mark says, which is left out, and else UTF-8.

    Raises:
        RefusedFileError: `binary` (a NUL, or control characters all over) or `encoding` (text of another encoding).
    """
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), None)
    if encoding is None and _is_binary(content):
        raise RefusedFileError("binary")
    try:
        text = content.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        raise RefusedFileError("encoding", content) from None
    if encoding is not None and "\0" in text:
        raise RefusedFileError("binary")
    return text


def _is_binary(content: bytes) -> bool:
    num_controls = len(content) - len(content.translate(None, _CONTROLS))
    return b"\0" in content or num_controls > _MAX_CONTROL_SHARE * len(content)
