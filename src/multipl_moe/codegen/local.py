"""Completions from a model in this process: any causal language model of transformers, ours or not."""

import copy
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from multipl_judge.problems.problem import Problem
from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_model
from multipl_moe.codegen.completer import DID_NOT_FIT, Completion, Extract, Finish, Request, chat_prompt, completion_of
from multipl_moe.codegen.decoding import Row, RowDraws, RowEnds
from multipl_moe.errors import ConfigError
from multipl_moe.generate.text import COLDEST, asked_by_chat, load_tokenizer, open_share_of
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe.codegen import CodegenSection

_TOKENS_BETWEEN_DROPS = 16
_MOST_READ = 4  # times the tokens of the prompts, with padding
_UNKNOWN = re.compile(r"\W*unk(?:nown)?\W*", re.IGNORECASE)


class LocalCompleter:
    """A model that continues prompts, many at a time, or answers them by chat.

    Only the settings decide how it decodes: penalties, top_k and the like of the model's own generation_config.json
    are not used. A completion ends at every token that marks the end of a text or a part of a document, that is at
    each special one. Presets of hybrids whose routing sees other sequences get one prompt at a time, so that a
    completion never depends on other problems.

    A prompt that fills the model's positions has an empty completion that ends by length; where a prompt leaves less
    room than max_new_tokens, the completion ends when the room does.

    The model, dense or hybrid, is in evaluation mode and used by nothing else at the same time.

    Args:
        extract: for chat, what takes a completion out of an answer; None continues the prompts.
    """

    def __init__(
        self, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, extract: Extract | None = None
    ) -> None:
        self.name, self._extract = name, extract
        self.tokenizer: Any = tokenizer
        self.model: Any = copy.copy(model)  # the same weights with other settings of generation
        self.model.generation_config = GenerationConfig()
        self.ends = _end_tokens(model, tokenizer)
        self._max_positions: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self._is_causal = not isinstance(model, MultiplMoeForCausalLM) or model.config.moe_config.is_causal

    @classmethod
    def load(cls, spec: str, settings: CodegenSection, extract: Extract | None = None) -> "LocalCompleter":
        """The model that `spec` names: a folder, hybrid or dense, or what else `resolve_base` takes.

        Raises:
            BaseModelError: it cannot be found, fetched or read.
            ConfigError: for chat, there is no template, or it fails.
        """
        folder = resolve_base(spec)
        tokenizer = load_tokenizer(folder)
        if extract is not None:
            asked_by_chat(tokenizer, "Hello")  # refused before the weights are read
        model = load_model(folder)
        if settings.dtype != "auto":
            set_dtype(model, getattr(torch, settings.dtype))
        return cls(spec, model, tokenizer, extract)

    def gate_is_told(self, settings: CodegenSection) -> bool | None:
        """Whether the model's domain gate is told the language of each problem; None: it has none."""
        return None if open_share_of(self.model.config, "") is None else bool(settings.tell_language)

    def opens_for(self, problem: Problem) -> bool:
        """Whether the model's domain gate opens by itself where the answer to a problem begins."""
        read = self.model.model.read_prompt(torch.tensor([self._prompt(problem, "")], device=self.model.device))
        return read is None or bool(read[0, -1].any())

    @property
    def identity(self) -> dict[str, Any]:
        """A digest of configuration, vocabulary and weights, the dtype, and for chat a digest of the template."""
        own = {"weights": fingerprint(self.model, self.tokenizer), "dtype": str(self.model.dtype)}
        if self._extract is None:
            return own
        template = hashlib.sha256(str(self.tokenizer.chat_template).encode()).hexdigest()
        return own | {"interface": "chat", "template": template}

    def complete(self, batch: list[Request], settings: CodegenSection) -> list[Completion]:
        """A completion for each request; the same batch gives the same text, see `decoding` for the draws.

        Raises:
            ConfigError: a prompt has no tokens, or for chat, the template fails.
        """
        rows = [self._asked(request, settings) for request in batch]
        self._grow(rows, settings)
        made = [DID_NOT_FIT if row is None else row.completion() for row in rows]
        return [self._meant(request.problem, completion) for request, completion in zip(batch, made, strict=True)]

    def _meant(self, problem: Problem, answer: Completion) -> Completion:
        if self._extract is None or answer is DID_NOT_FIT:
            return answer
        code = self._extract(problem, answer.text)
        return completion_of(answer.text, code, by_length=answer.finish == Finish.length)

    def _prompt(self, problem: Problem, help: str) -> list[int]:
        if self._extract is None:
            return self.tokenizer(problem.prompt, verbose=False)["input_ids"]
        asked = asked_by_chat(self.tokenizer, chat_prompt(problem, help))
        return self.tokenizer(asked, add_special_tokens=False, verbose=False)["input_ids"]

    def likeliest_tokens(self, prompts: Sequence[list[int]], max_new_tokens: int) -> list[list[int]]:
        """The tokens that follow each prompt (one token or more), greedily, with the one that ends the text, if any.

        None follow a prompt that fills the model's positions.
        """
        rows = [self._row(prompt, (), max_new_tokens) for prompt in prompts]
        self._grow(rows, CodegenSection())
        return [[] if row is None else row.new + row.ended_by for row in rows]

    def _grow(self, rows: Sequence[Row | None], settings: CodegenSection) -> None:
        growing = [row for row in rows if row is not None]
        for group in _without_much_padding(growing) if self._is_causal else [[row] for row in growing]:
            self._generate(group, settings)

    def _asked(self, request: Request, settings: CodegenSection) -> Row | None:
        problem = request.problem
        prompt, stops = self._prompt(problem, request.help), problem.stop if self._extract is None else ()
        if not prompt:
            raise ConfigError(f"problems: the prompt of {problem.key} is empty; give some text to continue")
        row = self._row(prompt, stops, settings.max_new_tokens, request.seed)
        if row is not None and settings.tell_language:
            row.open_share = open_share_of(self.model.config, problem.language)
        return row

    def _row(self, prompt: list[int], stops: Sequence[str], max_new_tokens: int, seed: int = 0) -> Row | None:
        """None where the prompt fills the model's positions."""
        positions = self._max_positions
        room = max_new_tokens if positions is None else min(max_new_tokens, positions - len(prompt))
        return Row(prompt, stops, room, seed, self.tokenizer, self.ends) if room > 0 else None

    @torch.inference_mode()
    def _generate(self, rows: list[Row], settings: CodegenSection) -> None:
        """Let all rows grow to their ends; every few tokens those that have ended leave the batch."""
        tokens, mask = _left_padded([row.prompt for row in rows], self.model.device)
        known = self._known(rows, tokens, mask)
        cache = self._read_once(rows, tokens, mask, known)
        draws = settings.temperature >= COLDEST
        while True:
            processors = [RowDraws(rows, settings.temperature, settings.top_p)] if draws else []
            output = self.model.generate(
                tokens,
                attention_mask=mask,
                cache=cache,
                do_sample=False,
                max_new_tokens=min(_TOKENS_BETWEEN_DROPS, *(row.num_left for row in rows)),
                logits_processor=processors,
                stopping_criteria=[RowEnds(rows)],
                return_dict_in_generate=True,
                **known,
            )
            going_on = [index for index, row in enumerate(rows) if row.finish is None]
            if not going_on:
                return
            rows, known = [rows[index] for index in going_on], _of_rows(known, going_on)
            tokens = output.sequences[going_on]
            mask = torch.nn.functional.pad(mask[going_on], (0, tokens.shape[1] - mask.shape[1]), value=1)
            cache = _continued(output.cache, torch.tensor(going_on, device=tokens.device))

    def _read_once(self, rows: list[Row], tokens: Tensor, mask: Tensor, known: dict[str, Tensor]) -> Any:
        """The cache of all prompts but their last tokens, of which several samples share one reading; None without any.

        To read the prompts takes as long as to write the answers, where these are short.
        """
        read = [(tuple(row.prompt), str(row.open_share)) for row in rows]
        first = {each: index for index, each in reversed(list(enumerate(read)))}
        if len(first) == len(rows) or min(len(prompt) for prompt, _ in first) == 1:
            return None
        chosen = sorted(first.values())
        output = self.model.generate(
            tokens[chosen, :-1],
            attention_mask=mask[chosen, :-1],
            do_sample=False,
            max_new_tokens=1,
            return_dict_in_generate=True,
            **_of_rows(known, chosen),
        )
        return _continued(output.cache, torch.tensor([chosen.index(first[each]) for each in read]))

    def _known(self, rows: list[Row], tokens: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """What `generate` takes of rows whose language is told, or else of what domain gates read in their prompts."""
        shares = [torch.as_tensor(row.open_share).view(1, -1) for row in rows if row.open_share is not None]
        if shares:
            return {"open_share": torch.cat(shares).squeeze(1).to(self.model.device)}
        read = self.model.model.read_prompt(tokens, mask) if isinstance(self.model, MultiplMoeForCausalLM) else None
        return {} if read is None else {"prompt_share": read}


def _without_much_padding(rows: list[Row]) -> list[list[Row]]:
    """All rows at once, but for prompts so long that most of what is read and held would be padding of the others."""
    if not rows:
        return []
    longest, total = max(len(row.prompt) for row in rows), sum(len(row.prompt) for row in rows)
    if len(rows) * longest <= _MOST_READ * total:
        return [rows]
    long = [row for row in rows if len(row.prompt) > longest / 2]
    return [long, *_without_much_padding([row for row in rows if len(row.prompt) <= longest / 2])]


def set_dtype(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Hold a model's weights in a dtype; those that it keeps in float32 stay, and so do its position frequencies."""
    if dtype == model.dtype:
        return
    kept = tuple(model._keep_in_fp32_modules_strict or ())
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and not any(part in name for part in kept):
            parameter.data = parameter.data.to(dtype)


def fingerprint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 over configuration, vocabulary and weights: about a second for each gigabyte."""
    config = model.config.to_dict()
    for key in ("_name_or_path", "transformers_version"):
        config.pop(key, None)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    digest.update(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).contiguous().cpu().view(torch.uint8).numpy())
    return digest.hexdigest()


def _end_tokens(model: PreTrainedModel, tokenizer: Any) -> frozenset[int]:
    """The model's own end tokens and the tokenizer's special ones, less that for the unknown, which stands for text.

    Some tokenizers name their end of text as that for the unknown, too: it ends texts.
    """
    own: Any = getattr(model.generation_config, "eos_token_id", None)
    special = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    special |= set(tokenizer.all_special_ids)
    if _UNKNOWN.fullmatch(tokenizer.unk_token or ""):
        special.discard(tokenizer.unk_token_id)
    return frozenset(special | set(own if isinstance(own, list) else [] if own is None else [own]))


def _left_padded(rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """(B, T) tokens and (B, T) mask; any token may stand for padding, which nothing sees."""
    texts = [torch.tensor(row, device=device) for row in rows]
    padded = pad_sequence(texts, batch_first=True, padding_value=-1, padding_side="left")
    return padded.clamp(min=0), (padded >= 0).long()


def _of_rows(known: dict[str, Tensor], rows: list[int]) -> dict[str, Tensor]:
    return {name: values[rows] for name, values in known.items()}


def _continued(cache: Any, rows: Tensor) -> Any:
    """The cache of the rows that go on; None where `generate` has to compute it anew.

    That is without a cache, and for models without any attention, whose state `generate` cannot go on from.
    """
    if cache is None or all(cache.is_linear):
        return None
    cache.reorder_cache(rows)  # selects them, in every kind of cache layer
    return cache
