"""Rows of answers: what a chat template makes of messages, and rows that nothing can be learnt from."""

import json
from pathlib import Path

import pytest
from datatrove.data import Document
from transformers import AutoTokenizer

from multipl_judge.languages.answers import parts_of
from multipl_moe.corpus.read.answers import AnswerTexts, answer_row
from multipl_moe.errors import CorpusError
from tests.fixtures import save_chat_tokenizer, save_tokenizer

CHAT = [
    {"role": "user", "content": "double x"},
    {"role": "assistant", "content": " return 2 * x\n"},
    {"role": "user", "content": "and <|im_end|>"},
    {"role": "assistant", "content": "say <|im_end|> twice"},
]


def texts(folder: Path, *rows: dict, language: str = "rust.answers") -> tuple[list[Document], list[str]]:
    """Answers made of the rows, and why the others are none."""
    documents = [Document(json.dumps(row), "a", metadata={"language": language}) for row in rows]
    reasons = [*map(AnswerTexts(folder), documents)]
    made = [document for document, reason in zip(documents, reasons, strict=True) if reason is None]
    return made, [reason for reason in reasons if reason is not None]


def test_the_assistant_s_turns_are_the_completions_of_a_chat_and_what_follows_begins_with_their_end(tmp_path):
    save_chat_tokenizer(tmp_path)
    (document,), _ = texts(tmp_path, {"messages": CHAT})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert document.text == tokenizer.apply_chat_template(CHAT, tokenize=False)
    parts = parts_of(document.text, document.metadata["cuts"])
    assert parts[1::2] == ["return 2 * x", "say <|im_end|> twice"]
    assert all(part.startswith("<|im_end|>\n") for part in parts[2::2])
    for number, end in ((1, 1), (3, 3)):
        prompt = tokenizer.apply_chat_template(CHAT[:number], tokenize=False, add_generation_prompt=True)
        assert "".join(parts[:end]) == prompt


def test_rows_that_teach_nothing_are_dropped_with_the_reason_and_files_pass(tmp_path):
    save_chat_tokenizer(tmp_path)
    rows = [
        {"prompt": "f(", "completion": "x)"},
        {"prompt": "", "completion": "x"},
        {"prompt": "x", "completion": ""},
        {"messages": CHAT[:1]},
        {"messages": ["no message"]},
        {"messages": [CHAT[0], {"role": "assistant", "content": " "}]},
        {"messages": [{"role": "robot", "content": "x"}, CHAT[1]]},
    ]
    made, dropped = texts(tmp_path, *rows)
    assert [(document.text, document.metadata["cuts"]) for document in made] == [("f(x)", [2])]
    assert [reason.partition(":")[0] for reason in dropped] == [
        *["prompt or completion is empty"] * 2,
        "no message of the assistant",
        "a message is not a JSON object",
        "message 1",
        "the chat template refuses it",
    ]
    (file,), _ = texts(tmp_path, rows[1], language="rust")
    assert (file.text, "cuts" in file.metadata) == (json.dumps(rows[1]), False)


def test_messages_without_a_template_are_an_error_that_says_so(tmp_path):
    save_tokenizer(tmp_path)
    with pytest.raises(CorpusError, match="rows of messages need a chat template"):
        texts(tmp_path, {"messages": CHAT})


def test_of_a_row_only_what_makes_the_answer_stays():
    assert answer_row({"prompt": "a", "completion": "é", "task": 1}) == '{"prompt": "a", "completion": "é"}'
    assert answer_row({"messages": [], "prompt": "a", "completion": "b"}) == '{"messages": []}'
    assert answer_row({"prompt": "a", "completion": None}) is None
