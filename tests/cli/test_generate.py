"""`generate`: where the prompt comes from, what goes to stdout, and what is refused."""

import io
import json
import shutil
import sys

import pytest
import torch

from multipl_moe.model.expert_use import ExpertUse

from .conftest import SMALL

ARGUMENTS = ["--max-new-tokens", "12"]
PROMPT = "fn main() {"


@pytest.fixture
def typed(monkeypatch):
    """Puts text, or bytes, on stdin."""

    def typed(content, errors="strict"):
        content = content if isinstance(content, bytes) else content.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors=errors))

    return typed


def test_the_prompt_is_an_argument_a_file_or_stdin_and_only_new_text_is_printed(run, typed, hybrid, tmp_path):
    (tmp_path / "prompt.rs").write_text(PROMPT)
    outcome = run("generate", hybrid, PROMPT, *ARGUMENTS)
    assert outcome.err == ""
    assert not outcome.out.startswith(PROMPT)
    assert outcome.out.endswith("\n")
    assert run("generate", hybrid, "--file", "prompt.rs", *ARGUMENTS).out == outcome.out
    for dash in ([], ["-"]):
        typed(PROMPT)
        assert run("generate", hybrid, *dash, *ARGUMENTS).out == outcome.out


def test_a_text_but_no_chat_is_asked_for_its_file_s_name(run, hybrid, monkeypatch):
    asked = []
    monkeypatch.setattr("multipl_moe.generate.text.told_language", lambda config, *given: asked.append(given) or {})
    monkeypatch.setattr("multipl_moe.generate.text.TextGenerator.encode", lambda self, text, chat: torch.tensor([[1]]))
    for flags in ([], ["--chat"], ["--language", "rust"]):
        run("generate", hybrid, "// a.rs\n", *ARGUMENTS, *flags)
    assert asked == [(None, "// a.rs\n"), (None, ""), ("rust", "// a.rs\n")]


def test_a_base_by_name_is_fetched(run, base, monkeypatch):
    monkeypatch.setattr("multipl_moe.checkpoints.base._packaged", lambda spec: {"smollm2-135m": base}[spec])
    told = run("generate", "smollm2-135m", PROMPT, *ARGUMENTS).out
    assert told == run("generate", base, PROMPT, *ARGUMENTS).out


def test_a_dense_model_writes_too_and_a_stop_string_ends_the_text(run, base):
    whole = run("generate", base, PROMPT, *ARGUMENTS).out
    stop = next(character for character in whole[2:] if character.isascii() and character.isprintable())
    ended = run("generate", base, PROMPT, *ARGUMENTS, "--stop", stop).out
    assert ended == whole[: whole.index(stop) + 1] + "\n"


def test_a_gap_is_filled_with_the_tokens_that_the_recipe_names_and_without_any_there_is_no_model(run, refused, base):
    told = refused("upcycle", "none", "--base", base, "--set=corpus.fim.rate=0.5", *SMALL)
    assert f"corpus.fim.rate: the tokenizer of {base} has no tokens for fill in the middle" in told
    values = {"tokens": ["<", "|", ">"], "rate": 0.5}
    run("upcycle", "filling", "--base", base, f"--set=corpus.fim={json.dumps(values)}", *SMALL)
    outcome = run("generate", "filling", PROMPT, "--suffix", "}", *ARGUMENTS)
    assert outcome.err == ""
    assert outcome.out != run("generate", "filling", PROMPT, "--suffix", "return 12;\n}\n", *ARGUMENTS).out
    run("generate", "filling", PROMPT, *ARGUMENTS)


def test_the_routing_is_shown_after_the_text_with_a_legend(run, hybrid):
    plain = run("generate", hybrid, PROMPT, *ARGUMENTS).out
    shown = run("generate", hybrid, PROMPT, *ARGUMENTS, "--show-routing", "--layer", "1").out
    assert shown.startswith(plain)
    assert "token experts of layer 1" in shown
    assert "segment experts of layer 1" in shown
    assert PROMPT in shown.removeprefix(plain)


def test_the_text_is_continued_also_where_there_is_a_chat_template_unless_a_chat_is_asked_for(run, hybrid, tmp_path):
    shutil.copytree(hybrid, "chatty")
    (tmp_path / "chatty" / "chat_template.jinja").write_text("{% for m in messages %}<{{ m.content }}>{% endfor %}")
    plain = run("generate", hybrid, PROMPT, *ARGUMENTS)
    assert run("generate", "chatty", PROMPT, *ARGUMENTS).out == plain.out
    assert run("generate", "chatty", PROMPT, "--raw", *ARGUMENTS).out == plain.out
    chat = run("generate", "chatty", PROMPT, "--chat", *ARGUMENTS)
    assert chat.out == run("generate", hybrid, f"<{PROMPT}>", *ARGUMENTS).out != plain.out


def test_bytes_that_are_no_text_and_a_terminal_without_a_prompt_are_refused(refused, typed, hybrid, monkeypatch):
    for errors in ("strict", "surrogateescape"):
        typed(b"\x7fELF\xff\xfe", errors)
        assert "prompt: it is not UTF-8 text" in refused("generate", hybrid)
    typed("")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert "prompt: give it as an argument, with --file, or on stdin" in refused("generate", hybrid)


def test_measured_use_of_another_model_is_refused_before_anything_is_written(refused, hybrid, tmp_path):
    shutil.copytree(hybrid, "other")
    ExpertUse({"rust": {1: [0.25] * 4}}).save(tmp_path / "other")
    assert "expert_use.json does not fit config.json" in refused("generate", "other", PROMPT, "--show-routing")
