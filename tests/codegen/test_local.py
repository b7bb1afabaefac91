"""A model's completions are those that it would write for each prompt alone."""

import copy
import dataclasses
import functools
import json

import pytest
import torch
from transformers import GenerationConfig

from multipl_judge.problems.problem import cut_at_stop
from multipl_moe.codegen.completer import DID_NOT_FIT, Completion, Finish, chat_prompt, completion_of, request_of
from multipl_moe.codegen.generation import generate_samples
from multipl_moe.codegen.local import LocalCompleter
from multipl_moe.codegen.samples import read_samples
from multipl_moe.errors import ConfigError
from tests.codegen.problems import problem, problems, settings, tiny_model
from tests.conftest import randomise_gate

MODELS = [("causal", "llama"), ("token-only", "gemma3_text"), (None, "gemma2"), ("paper", "llama")]


def completer_of(tokenizer, preset="causal", family="llama", **base):
    return LocalCompleter("tiny", tiny_model(preset, family, **base), tokenizer)


def samples(tokenizer, folder, posed, model=("causal", "llama"), **values):
    chosen = settings(**values)
    return generate_samples(posed, completer_of(tokenizer, *model), chosen, folder)


@torch.no_grad()
def alone(model, tokenizer, posed, max_new_tokens):
    """The likeliest continuation, by full forward passes over this text alone, and its tokens."""
    tokens = tokenizer(posed.prompt, return_tensors="pt")["input_ids"]
    num_prompt = tokens.shape[1]
    for _ in range(max_new_tokens):
        token = model(tokens, use_cache=False).logits[0, -1].argmax()
        if token == tokenizer.eos_token_id:
            break
        tokens = torch.cat([tokens, token.view(1, 1)], dim=1)
    return tokenizer.decode(tokens[0, num_prompt:])


@pytest.mark.parametrize(("preset", "family"), MODELS)
def test_greedy_completions_are_the_likeliest_ones_of_each_prompt_alone(tokenizer, tmp_path, preset, family):
    posed = problems()
    made = samples(tokenizer, tmp_path, posed, (preset, family), max_new_tokens=18)  # more than between two drops
    model = tiny_model(preset, family)
    assert [made[p.key, 0].text for p in posed] == [alone(model, tokenizer, p, 18) for p in posed]


def test_one_long_prompt_pads_no_others(tokenizer, tmp_path, monkeypatch):
    short = [problem(place, f"fn f{place}() {{") for place in range(12)]
    posed = [*short[:6], problem(99, "fn main() { print(1); } " * 5), *short[6:]]
    completer, read = completer_of(tokenizer), []
    generate = completer.model.generate

    def counted(tokens, **given):
        read.append(tokens.shape)
        return generate(tokens, **given)

    monkeypatch.setattr(completer.model, "generate", counted)
    made = generate_samples(posed, completer, settings(max_new_tokens=6), tmp_path)
    assert [made[p.key, 0].text for p in posed] == [alone(completer.model, tokenizer, p, 6) for p in posed]
    lengths = [len(tokenizer(p.prompt)["input_ids"]) for p in posed]
    assert {rows for rows, _ in read} == {1, 12}
    assert max(rows * columns for rows, columns in read) <= 4 * sum(lengths) < len(posed) * max(lengths)


@pytest.mark.parametrize("preset", ["causal", "paper"])
def test_completions_do_not_depend_on_the_batch_and_those_of_a_problem_differ(tokenizer, tmp_path, preset):
    posed, model = problems(num_problems=3), (preset, "llama")
    values = {"temperature": 0.8, "top_p": 0.9, "num_samples": 2, "max_new_tokens": 18}
    whole = samples(tokenizer, tmp_path / "whole", posed, model, **values)
    assert whole == samples(tokenizer, tmp_path / "single", posed, model, batch_sequences=1, **values)
    last = samples(tokenizer, tmp_path / "last", posed[-1:], model, **values)
    assert last.items() <= whole.items()
    assert len({completion.text for completion in whole.values()}) == len(whole) == 2 * len(posed)


_TEMPLATE = "{% for one in messages %}[{{ one.role }}] {{ one.content }}\n{% endfor %}"
_TEMPLATE += "{% if add_generation_prompt %}[answer]{% endif %}"


def chatty(tokenizer, template=_TEMPLATE):
    with_template = copy.deepcopy(tokenizer)
    with_template.chat_template = template
    return with_template


def test_a_chat_is_asked_in_the_models_template_and_code_is_taken_out_of_the_answer(tokenizer, tmp_path):
    model = tiny_model("gated")
    randomise_gate(model)
    completer = LocalCompleter("tiny", model, chatty(tokenizer), lambda one, answer: f"{one.id}: {answer[:9]}")

    def answer(one, help=""):
        asked = dataclasses.replace(one, prompt=f"[user] {help}{chat_prompt(one)}\n[answer]")
        read = model.model.read_prompt(tokenizer(asked.prompt, return_tensors="pt")["input_ids"])
        assert help or completer.opens_for(one) == bool(read[0, -1])
        return alone(functools.partial(model, prompt_share=read), tokenizer, asked, 12)

    answers = {one.id: answer(one) for one in problems()}
    posed = [dataclasses.replace(one, stop=(answers[one.id][2],)) for one in problems()]  # no answer ends at it
    made = generate_samples(posed, completer, settings(max_new_tokens=12, tell_language=False), tmp_path)
    for one in posed:
        assert made[one.key, 0] == Completion(f"{one.id}: {answers[one.id][:9]}", Finish.stop, answers[one.id])
    assert read_samples(tmp_path) == made
    helped = [dataclasses.replace(request_of(one, 0, 0), help="Look!\n\n") for one in posed]
    said = [
        completion.said for completion in completer.complete(helped, settings(max_new_tokens=12, tell_language=False))
    ]
    assert said == [answer(one, "Look!\n\n") for one in posed] != list(answers.values())


def cut_nothing(_, answer):
    return answer


@pytest.mark.parametrize(
    ("answer", "code", "finish"),
    [("```\nx\n```", "x", Finish.stop), ("```\nx", "x", Finish.length), ("x", "x", Finish.length)],
)
def test_an_answer_that_was_cut_off_ends_by_length_but_for_a_block_that_was_closed(answer, code, finish):
    assert completion_of(answer, code, by_length=True) == Completion(code, finish, answer)
    assert completion_of(answer, code, by_length=False) == Completion(code, Finish.stop, answer)


@pytest.mark.parametrize(
    ("template", "reason"),
    [(None, "has no chat template"), ("{{ raise_exception('user first') }}", "user first"), ("{% if %}", "fails")],
)
def test_a_chat_template_that_is_none_or_fails_is_told(tokenizer, template, reason):
    completer = LocalCompleter("tiny", tiny_model("causal"), chatty(tokenizer, template), cut_nothing)
    with pytest.raises(ConfigError, match=f"--chat: .*{reason}"):
        completer.complete([request_of(problem(0), 0, 0)], settings())


def test_a_gate_that_is_told_nothing_reads_each_prompt_as_a_whole(tokenizer, tmp_path):
    posed, model, at_prompts = problems(), tiny_model("gated"), []
    randomise_gate(model)
    completer = LocalCompleter("tiny", model, tokenizer)
    twice = [*posed, *(dataclasses.replace(one, id=f"{one.id} again") for one in posed)]  # share one reading
    free = generate_samples(twice, completer, settings(max_new_tokens=12, tell_language=False), tmp_path / "free")
    for one in posed:
        assert free[f"{one.key} again", 0] == free[one.key, 0]
        read = model.model.read_prompt(tokenizer(one.prompt, return_tensors="pt")["input_ids"])
        assert free[one.key, 0].text == alone(functools.partial(model, prompt_share=read), tokenizer, one, 12)
        at_prompts.append(completer.opens_for(one))
        assert at_prompts[-1] == bool(read[0, -1])
    assert set(at_prompts) == {False, True}
    assert completer_of(tokenizer, "causal").opens_for(posed[0])


def test_a_gate_that_is_told_each_problems_language_opens_or_shuts_row_by_row(tokenizer, tmp_path):
    posed = [dataclasses.replace(p, language=("one", "python")[i % 2]) for i, p in enumerate(problems())]
    gated = ("gated", "llama")
    told = samples(tokenizer, tmp_path / "told", posed, gated, max_new_tokens=12)
    model = tiny_model("gated")
    for one in posed:
        known = functools.partial(model, open_share=torch.full((), float(one.language == "one")))
        assert told[one.key, 0].text == alone(known, tokenizer, one, 12)
    assert told != samples(tokenizer, tmp_path / "free", posed, gated, max_new_tokens=12, tell_language=False)


def test_equal_prompts_in_two_languages_share_no_reading_where_the_gate_is_told_them(tokenizer):
    posed = [problem(0, "# Print the sum.\n", language) for language in ("one", "python")]
    requests = [request_of(one, 0, 0) for one in posed]
    completer = completer_of(tokenizer, "gated")
    each = [completer.complete([request], settings())[0] for request in requests]
    assert completer.complete(requests, settings()) == each
    assert each[0] != each[1]


def test_a_gate_that_is_told_a_language_to_keep_gives_the_bases_own_completions(tokenizer, tmp_path):
    gated, base = tiny_model("gated"), tiny_model(None)
    own = {name.replace("shared_expert.", ""): tensor for name, tensor in gated.state_dict().items()}
    assert not base.load_state_dict(own, strict=False).missing_keys
    models = {name: LocalCompleter(name, model, tokenizer) for name, model in (("gated", gated), ("base", base))}
    posed = [dataclasses.replace(p, language="python") for p in problems()]
    for values in ({"max_new_tokens": 12}, {"max_new_tokens": 12, "temperature": 0.8, "num_samples": 2}):
        made = [
            generate_samples(
                posed, models[name], settings(tell_language=tell, **values), tmp_path / f"{name}{values}{tell}"
            )
            for name, tell in (("base", True), ("base", False), ("gated", True), ("gated", "both"), ("gated", False))
        ]
        assert made[0] == made[1] == made[2] == made[3] != made[4]
    told = [models["gated"].gate_is_told(settings(tell_language=tell)) for tell in (True, "both", False)]
    assert (told, models["base"].gate_is_told(settings())) == ([True, True, False], None)


@pytest.mark.parametrize("model", [("causal", "llama"), (None, "gemma2")])
def test_samples_of_a_problem_share_one_reading_of_its_prompt(tokenizer, monkeypatch, model):
    completer, posed = completer_of(tokenizer, *model), problem(0, "a prompt of some length")
    read, forward = [], completer.model.forward

    def count(input_ids, **values):
        read.append(tuple(input_ids.shape))
        return forward(input_ids, **values)

    monkeypatch.setattr(completer.model, "forward", functools.wraps(forward)(count))
    chosen = settings(temperature=0.8, num_samples=3, max_new_tokens=4)
    made = completer.complete([request_of(posed, sample, 0) for sample in range(3)], chosen)
    length = len(tokenizer(posed.prompt)["input_ids"])
    assert read == [(1, length - 1), (3, 1), *[(3, 1)] * 3]
    assert made == [completer.complete([request_of(posed, sample, 0)], chosen)[0] for sample in range(3)]


def test_rows_that_end_early_leave_the_others_as_they_are(tokenizer, tmp_path):
    free = samples(tokenizer, tmp_path / "free", problems(), max_new_tokens=40)
    texts = [completion.text for completion in free.values()]
    stop = next(c for c in texts[0][2:20] if any(c not in text for text in texts[1:]) and c != "\ufffd")
    cut = samples(tokenizer, tmp_path / "cut", problems((stop,)), max_new_tokens=40)
    finishes = {completion.finish for completion in cut.values()}
    assert {Finish.stop, Finish.length} <= finishes
    for place, completion in cut.items():
        assert completion.text == cut_at_stop(free[place].text, [stop])
        assert (completion.finish == Finish.stop) == (stop in free[place].text)


def test_prompts_that_leave_little_room_or_none_end_by_length_and_an_empty_one_is_refused(tokenizer):
    completer = completer_of(tokenizer, max_position_embeddings=64)
    posed = [problem(0, "a" * 64), problem(1, "b" * 60), problem(2, "c")]
    made = completer.complete([request_of(p, 0, 0) for p in posed], settings(max_new_tokens=20))
    assert made[0] == Completion("", Finish.length)
    assert made[1].finish == Finish.length
    unbounded = completer_of(tokenizer).complete([request_of(p, 0, 0) for p in posed[1:]], settings(max_new_tokens=20))
    assert tokenizer(unbounded[0].text)["input_ids"][:2] == tokenizer(made[1].text)["input_ids"][:2]
    assert made[2] == unbounded[1]
    chat = LocalCompleter("tiny", tiny_model("causal", max_position_embeddings=9), chatty(tokenizer), cut_nothing)
    assert chat.complete([request_of(problem(0), 0, 0)], settings()) == [DID_NOT_FIT]
    with pytest.raises(ConfigError, match="prompt of tiny/rust/p/7 is empty"):
        completer.complete([request_of(problem(7, ""), 0, 0)], settings())


@pytest.mark.parametrize(("unknown", "ends"), [("<|endoftext|>", True), ("<unk>", False), ("[UNK]", False)])
def test_a_token_for_the_unknown_ends_a_text_only_where_it_is_the_end_of_text(tokenizer, unknown, ends):
    marked = copy.deepcopy(tokenizer)
    marked.add_special_tokens({"unk_token": unknown, "eos_token": "<|im_end|>"})
    completer = LocalCompleter("tiny", tiny_model(eos_token_id=None), marked)
    assert marked.unk_token_id != marked.eos_token_id
    assert (marked.unk_token_id in completer.ends) is ends
    assert marked.eos_token_id in completer.ends


def test_the_models_own_generation_settings_are_not_used_nor_touched(tokenizer):
    request, model = request_of(problem(0, "x"), 0, 0), tiny_model()
    plain = LocalCompleter("tiny", model, tokenizer).complete([request], settings())
    own = GenerationConfig(repetition_penalty=5.0, do_sample=True, max_length=3, suppress_tokens=list(range(200)))
    model.generation_config = own
    assert LocalCompleter("tiny", model, tokenizer).complete([request], settings()) == plain
    assert model.generation_config is own


def test_a_digest_tells_models_and_ways_of_asking_apart(tokenizer):
    model, other = tiny_model(), _TEMPLATE.replace("[answer]", "answer: ")
    asked = [(tokenizer, None), (chatty(tokenizer), cut_nothing), (chatty(tokenizer, other), cut_nothing)]
    before, *chats = (json.dumps(LocalCompleter("tiny", model, one, extract).identity) for one, extract in asked)
    assert len({before, *chats}) == 3
    assert before == json.dumps(LocalCompleter("same", tiny_model(), tokenizer).identity)
    with torch.no_grad():
        model.lm_head.weight[3, 3] += 1e-3
    changed, smaller = (LocalCompleter("tiny", one, tokenizer).identity for one in (model, tiny_model("token-only")))
    assert len({before, json.dumps(changed), json.dumps(smaller)}) == 3
