"""Which pack, if any, a request wants: told by its model or language, by a file's name in the text, or by the gates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multipl_moe.errors import ConfigError
from multipl_moe.gate import TextGate
from multipl_moe.generate.named_file import language_of_named_file
from multipl_moe.packs.adapters import TOKENIZER_FOLDER
from multipl_moe.packs.canary import CANARY_FILE, load_canaries
from multipl_moe.packs.files import Pack
from multipl_moe.serve.engines import BASE

AUTO = "auto"


def is_auto(model: str | None) -> bool:
    """Whether a request's model leaves open which pack works; what follows `auto-` is for its client alone."""
    return not model or model == AUTO or model.startswith(f"{AUTO}-")


@dataclass(frozen=True)
class Pick:
    """An adapter's name, or None for the base, and by what it was picked: `model`, `language`, `file` or `text`."""

    adapter: str | None
    by: str

    @property
    def name(self) -> str:
        """For people and headers."""
        return self.adapter or BASE


@dataclass(frozen=True)
class Picker:
    """Picks among packs, each of which has gate and languages by its name.

    Attributes:
        endings: languages of file endings that the package does not know.
    """

    gates: TextGate
    languages: Mapping[str, Sequence[str]]
    endings: Mapping[str, str] | None = None

    @classmethod
    def of(cls, gates: TextGate, packs: Mapping[str, Pack]) -> "Picker":
        """Of packs by name, with the file endings of their own languages."""
        endings = {ending: name for pack in packs.values() for name, own in pack.endings.items() for ending in own}
        return cls(gates, {name: pack.languages for name, pack in packs.items()}, endings)

    def pick(self, told_model: str | None, told_language: str | None, text: str) -> Pick:
        """For a request, and a text that ends where the engine goes on; raises ConfigError for a model that is none."""
        if told_model and not is_auto(told_model):
            if told_model != BASE and told_model not in self.languages:
                names = ", ".join([AUTO, BASE, *self.languages])
                raise ConfigError(f"model: {told_model!r} is none; choose one of {names}")
            return Pick(None if told_model == BASE else told_model, "model")
        if told_language:
            return Pick(self._for(told_language), "language")
        if (language := language_of_named_file(text, self.endings)) is not None:
            return Pick(self._for(language), "file")
        opened = self.gates.after(text, at_once=True) if text else {}
        on = [name for name, gate in opened.items() if gate.since is not None]
        return Pick(max(on, key=lambda name: opened[name].p, default=None), "text")

    def prompt_of(self, path: str, body: Mapping[str, Any], *, goes_on: bool = False) -> str:
        """The text that the engine goes on from; raises ConfigError or LookupError where there is none.

        `goes_on` says that it goes on with the last message of a chat.
        """
        prompt = body.get("prompt")
        if path == "/infill":
            return f"{body.get('input_prefix') or ''}{prompt or ''}"
        if path == "/v1/completions":
            if isinstance(prompt, list) and len(prompt) == 1 and not isinstance(prompt[0], int):
                prompt = prompt[0]
            if isinstance(prompt, list) and prompt and all(type(token) is int for token in prompt):
                return str(self.gates.tokenizer.decode(prompt))
            if not isinstance(prompt, str):
                raise ConfigError("prompt: give one text, or the ids of its tokens, or name a model or a language")
            return prompt
        messages = [message | {"content": _text_of(message.get("content"))} for message in require_messages(body)]
        try:
            before, begun = (messages[:-1], messages[-1]["content"]) if goes_on else (messages, "")
            asked = self.gates.tokenizer.apply_chat_template(before, tokenize=False, add_generation_prompt=True)
            return f"{asked}{begun}"
        except Exception:  # templates raise what they like; the engine has its own, and the gates need text alone
            return "\n".join(message["content"] for message in messages)

    def _for(self, language: str) -> str | None:
        return next((name for name, known in self.languages.items() if language.lower() in known), None)


def gates_of(folder: Path) -> tuple[dict[str, Pack], TextGate]:
    """The packs in a folder of `export --adapter`, by name of the adapter, and their gates.

    Raises:
        UserError: a file is missing or broken.
    """
    folders = {name: folder / name for name in load_canaries(folder / CANARY_FILE)}
    packs = {name: Pack.load(one) for name, one in folders.items()}
    return packs, TextGate.load(folders, tokenizer=folder / TOKENIZER_FOLDER)


def require_messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of a chat; raises ConfigError where they are none that can be read."""
    messages: Any = body.get("messages")
    rows: list[Any] = messages if isinstance(messages, list) else [None]
    parts = [row.get("content") if isinstance(row, dict) else 0 for row in rows]
    pieces = [piece for part in parts for piece in (part if isinstance(part, list) else [{"text": part}])]
    if not all(isinstance(piece, dict) and isinstance(piece.get("text"), str | None) for piece in pieces):
        raise ConfigError("messages: give a list of objects with role and content, a text or a list of parts")
    return rows


def _text_of(content: Any) -> str:
    parts = content if isinstance(content, list) else [{"text": content}]
    return "".join(str(part.get("text") or "") for part in parts)
