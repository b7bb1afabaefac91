"""The domain gate as upcycling fits it: open for what is to be learnt, shut for all else."""

import gzip
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from multipl_judge.languages.own import OwnLanguage, valid_name
from multipl_judge.languages.table import language_title
from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.checkpoints.tensors import copy_companions
from multipl_moe.corpus.documents import documents_path, read_documents
from multipl_moe.errors import ConfigError, CorpusError
from multipl_moe.model.domain_gate import DomainGate
from multipl_moe.model.gate_reading import OWN_COMMENT, pairs_of
from multipl_moe.model.moe_config import GateConfig
from multipl_moe.model.parameters import ParameterCounts
from multipl_moe.model.segments import plan_segments
from multipl_moe.recipe.recipe import Recipe, validate_recipe
from multipl_moe.runs.folder import read_json
from multipl_moe.upcycle import gate_start
from multipl_moe.upcycle.convert import UpcycleReport, start_lines, upcycle
from multipl_moe.upcycle.gate_start import GateStart
from tests.train.tiny import World, source_text, tiny_recipe


@pytest.fixture(scope="module")
def recipe(world: World, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Of a base with more embeddings than its tokenizer has tokens."""
    folder, base = tmp_path_factory.mktemp("base"), load_dense(world.base)
    base.resize_token_embeddings(base.config.vocab_size + 5)
    base.save_pretrained(folder)
    copy_companions(world.base, folder)
    return tiny_recipe(folder, world.sources, moe={"languages": None, "pairs": 2**13})


@pytest.fixture(scope="module")
def gated(world: World, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gated") / "hybrid"
    report = upcycle(recipe, folder, corpus=world.corpus)
    assert "domain gate is open after 64 tokens for rust " in start_lines(report)[1]
    return folder


@torch.no_grad()
def _said(folder: Path, text: str) -> list[float]:
    """What the gate says of each segment of a text."""
    model, said = load_hybrid(folder), []
    model.model.domain_gates["pack"].register_forward_hook(lambda gate, args, p: said.extend(p.tolist()))
    model.eval()(torch.tensor([AutoTokenizer.from_pretrained(folder)(text)["input_ids"][:128]]))
    return said


def test_it_opens_for_text_to_learn_that_it_has_not_read_and_for_no_other(gated: Path):
    for language, opens in {"rust": True, "go": True, "python": False, "english": False}.items():
        late = [p for seed in range(900, 904) for p in _said(gated, source_text(language, seed))[12:]]
        assert (sum(late) / len(late) > 0.7) if opens else (sum(late) / len(late) < 0.1), (language, late)


def test_it_is_shut_for_text_like_nothing_that_it_was_fitted_to(gated: Path):
    strange = "%%%% 00 11 22 %%%% 33 44 55 " * 40
    assert max(_said(gated, strange)[12:]) < 0.1


def test_it_is_shut_for_text_of_a_folder_that_is_named(gated: Path, world: World, recipe: Recipe, tmp_path: Path):
    def like_rust(seed: int) -> str:
        return source_text("rust", seed).replace("=>", "->").replace("ver::", "vor::")

    (tmp_path / "other").mkdir()
    for seed in range(20):
        (tmp_path / "other" / f"{seed}.pl").write_text(like_rust(seed))
    told = recipe.with_settings("upcycle", other_text=[tmp_path / "other"])
    upcycle(told, tmp_path / "told", corpus=world.corpus)
    assert read_json(tmp_path / "told" / "upcycle.json")["gate_start"]["texts"][".pl"] == 20

    def late(folder: Path) -> float:
        said = [p for seed in range(900, 906) for p in _said(folder, like_rust(seed))[12:]]
        return sum(said) / len(said)

    assert late(tmp_path / "told") < 0.1 < late(gated)
    (tmp_path / "empty").mkdir()
    for folders, problems in {
        ("nowhere", "neither"): ["nowhere is not a folder", "neither is not a folder"],
        ("empty", "other"): ["empty holds no text outside the languages of the recipe"],
    }.items():
        wrong = recipe.with_settings("upcycle", other_text=[tmp_path / folder for folder in folders])
        with pytest.raises(ConfigError) as refused:
            upcycle(wrong, tmp_path / "no", corpus=world.corpus)
        assert [problem.split("; ")[0].rpartition("/")[2] for problem in refused.value.problems] == problems


def test_the_record_tells_what_was_read_and_what_the_gate_says(gated: Path, world: World):
    record, config = read_json(gated / "upcycle.json")["gate_start"], read_json(gated / "config.json")
    assert config["moe"]["gate"]["languages"] == ["rust", "go"]
    assert set(world.recipe.languages) <= set(record["texts"])
    assert record["mean_p"]["rust"] > 0.5 > record["mean_p"]["python"]
    assert [record["texts"][kind] for kind in gate_start.samples([], [])] == [4] * 11


@pytest.mark.parametrize("name", ["elixir", "haskell", "julia", "lua", "ocaml", "r", "racket"])
def test_a_language_of_the_recipe_is_no_sample_of_other_code(world: World, name: str):
    recipe, title = world.recipe.model_copy(update={"keep": [name]}), f"programs in {language_title(name)}"
    every, kept = gate_start.samples([], []), gate_start.samples(recipe.endings, recipe.languages)
    assert every.keys() - kept == {title}


def test_a_language_of_ones_own_is_no_sample_of_other_code_by_its_ending_or_its_name():
    shared = {"shared_extensions": [".ml"], "content_pattern": "^let"}
    own = {"scheme": {"extensions": [".ss"]}, "reason": {"extensions": [".re"]} | shared}
    recipe = validate_recipe({"learn": ["scheme", "reason"], "own_languages": own})
    every, kept = gate_start.samples([], []), gate_start.samples(recipe.endings, recipe.languages)
    assert every.keys() - kept == {"programs in Scheme", "programs in OCaml"}


def _as_chat(row: dict[str, Any]) -> dict[str, Any]:
    question, after = "<|im_start|>user\nWrite what I ask for.<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>\n"
    code = row["text"].rstrip("\n")
    said = f"Here it is:\n```\n{code}\n```\nIt works."
    cuts = [len(question), len(question + said)]
    return row | {"text": question + said + after, "metadata": row["metadata"] | {"cuts": cuts}}


def test_of_chats_it_is_fitted_to_the_code_that_they_hold(gated: Path, world: World, recipe: Recipe, tmp_path: Path):
    corpus = shutil.copytree(world.corpus, tmp_path / "corpus")
    for language in ("rust", "go"):
        file = documents_path(corpus, "train", language)
        rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
        assert all(row["text"].endswith("\n") for row in rows)
        with gzip.open(file, "wt") as lines:
            lines.writelines(json.dumps(_as_chat(row)) + "\n" for row in rows)
    upcycle(recipe, tmp_path / "chats", corpus=corpus)
    files, chats = (
        dict(load_hybrid(folder).model.domain_gates["pack"].named_buffers()) for folder in (gated, tmp_path / "chats")
    )
    assert all(torch.equal(value, chats[name]) for name, value in files.items())


def test_a_pairs_score_is_how_much_likelier_it_is_in_text_of_a_language_than_in_other_text():
    learn, sums = [[40.0, 0, 0, 0, 0, 960], [0, 1600.0, 0, 0, 0, 38400]], ([1000.0, 40000], [12000.0, 8000])
    others = [[0, 0, 300.0, 0, 500, 11200], [0, 0, 300.0, 0, 0, 7700]]
    told, other_code = zip(map(torch.tensor, (learn, others)), map(torch.tensor, sums), strict=True)
    found = gate_start.pair_scores(*told, *other_code)
    assert found.shape == (6, 2)
    in_others = [0, 0, 0.03, 0, max(500 / 20000, 0.2 * 500 / 13000), 0.945]
    for language, (total, shares) in enumerate([(1000, (0.04, 0, 0, 0, 0, 0.96)), (20000, (0, 0.04, 0, 0, 0, 0.96))]):
        for pair, share in enumerate(shares):
            expected = math.log((total * share + 2) / (total * in_others[pair] + 2))
            assert found[pair, language] == pytest.approx(min(max(expected, -3), 3), abs=1e-5)
    assert found[1, 1] == 3
    assert found[2, 1] == -3
    assert found[3].tolist() == [0, 0]


def test_a_pair_that_one_kind_of_other_text_has_often_speaks_for_no_language():
    counts, sums = torch.tensor([[90.0], [0.0]]), torch.tensor([2000.0, 100_000])
    found = float(gate_start.pair_scores(torch.tensor([[50.0]]), torch.tensor([1000.0]), counts, sums)[0, 0])
    assert found == pytest.approx(math.log((50 + 2) / (0.2 * 90 / 3000 * 1000 + 2)), abs=1e-5)
    assert found < math.log((50 + 2) / (90 / 102_000 * 1000 + 2)) - 0.5


def _row(kind: str, tokens: list[int], fold: int = 0) -> gate_start.Row:
    return gate_start.Row(kind, torch.tensor(tokens), fold)


def _gate(*languages: str) -> DomainGate:
    gate = DomainGate(GateConfig(list(languages), pairs=1009), 50)
    gate.reset_buffers()
    return gate


def test_a_text_is_scored_by_tables_that_did_not_count_it():
    gate, mine, other = _gate("rust"), [7, 8] * 20, [9, 8] * 20
    rows = [_row("rust", mine if fold else [*mine, *[5, 6] * 20], fold) for fold in range(5)]
    rows += [_row(kind, other, fold) for fold in range(5) for kind in ("java", "C")]
    rows += [_row("SVG", [3, 4] * 20, fold) for fold in range(5)]
    counts = gate_start.PairCounts(gate, rows, ["rust"])
    of_the_fold = counts.held_out(rows[0])[:, 0]
    assert of_the_fold[10:40].min() > 0.5
    assert of_the_fold[45:].abs().max() < 0.01, "its own pairs, which no other fold has, say nothing"
    assert counts.held_out(_row("SVG", [3, 4] * 20))[2:].abs().max() < 0.01, "nor do those of a kind that was left out"
    assert counts.held_out(_row("java", other))[2:, 0].max() < -0.2, "a language is left out by files"
    every = counts.scores()
    assert every.shape == (2, 1009, 2)
    assert (every[0, pairs_of(gate, torch.tensor([3, 4] * 20))[0, 2:], 0] < -0.5).all()


def test_prose_is_told_from_other_code_as_languages_are_and_counts_for_neither():
    gate, shared = _gate("rust"), [11, 12] * 20
    kinds = {"rust": [7, 8] * 20 + shared, "english": [5, 6] * 20 + shared, "C": [9, 8] * 20}
    rows = [_row(kind, tokens, fold) for fold in range(5) for kind, tokens in kinds.items()]
    counts = gate_start.PairCounts(gate, rows, ["rust"], ["english"])
    every = counts.scores()[0]

    def said(tokens: list[int]) -> list[float]:
        return every[pairs_of(gate, torch.tensor(tokens))[0, 2]].tolist()

    assert [score > 0.5 for score in said([7, 8] * 20)] == [True, False]
    assert [score > 0.5 for score in said([5, 6] * 20)] == [False, True]
    assert [score > 0.5 for score in said(shared)] == [True, True], "what prose has too may be in a comment"
    assert max(said([9, 8] * 20)) < -0.2
    evidence = {row.kind: [counts.held_out(row).view(-1, 8, 2).mean(dim=1)] for row in rows if row.fold == 0}
    assert counts.calibration(evidence)[:, 0].min() > 0.05
    without = gate_start.PairCounts(gate, [row for row in rows if row.kind != "english"], ["rust"])
    del evidence["english"]
    assert without.calibration(evidence)[1, 1] <= -2, "without any prose, nothing is prose"


def test_prose_within_a_file_shuts_the_gate_and_what_follows_opens_it_again(gated: Path):
    tokenizer, parts = AutoTokenizer.from_pretrained(gated), []
    for language, seed in (("rust", 900), ("english", 901), ("rust", 902)):
        parts.append(tokenizer(source_text(language, seed))["input_ids"][-200:])
    (gate,) = load_hybrid(gated).model.gates.values()
    p = gate.p_of_text([token for part in parts for token in part])
    first, second, third = p[: len(parts[0])], p[len(parts[0]) : -len(parts[2]) - 1], p[-len(parts[2]) - 1 :]
    assert [float(part[48:].mean().round()) for part in (first, second, third)] == [1, 0, 1]


def test_comments_of_a_language_to_learn_alone_leave_it_to_the_code_below_them(
    world: World, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gate_start, "own_marks", lambda *_: {"%": OWN_COMMENT})
    upcycle(recipe, tmp_path / "hybrid", corpus=world.corpus)
    (gate,) = load_hybrid(tmp_path / "hybrid").model.gates.values()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hybrid")

    def is_open(text: str) -> bool:
        ids = torch.tensor(tokenizer(text)["input_ids"])
        plan = plan_segments(torch.arange(len(ids))[None], None, stride=gate.stride)
        return bool(gate.other_in_prompts(ids, plan)[-1] < 0.49)

    def comments(mark: str) -> str:
        words = source_text("english", 901).split()[:120]
        return "".join(f"{mark} {' '.join(words[place : place + 8])}\n" for place in range(0, 120, 8))

    assert not is_open(comments("%")), "comments alone open nothing"
    assert is_open(comments("%") + source_text("rust", 902)[:12])
    assert not is_open(comments("#") + source_text("rust", 902)[:12]), "with another mark they are other text"
    assert not is_open(comments("%") + source_text("python", 902)[:120])


@pytest.mark.parametrize("own", [False, True])
def test_beside_files_the_code_of_answers_opens_it_and_what_their_tasks_say_does_not(
    world: World, recipe: Recipe, tmp_path: Path, tables: None, own: bool
):
    name, mark, corpus = ("mine", "%", tmp_path / "files") if own else ("rust", "//", world.corpus)
    if own:
        shutil.copytree(world.corpus, corpus)
        for file in [*(corpus / "documents").rglob("rust.*")]:
            shutil.copy(file, file.with_name(file.name.replace("rust", name)))
        language = OwnLanguage(extensions=(".mine",), line_comment=mark)
        recipe = recipe.model_copy(update={"learn": [name, "go"], "own_languages": {name: language}})

    def code(seed: int) -> str:
        return source_text("rust", seed).replace("=>", "~>").replace("ver", "vor^^")

    def task(seed: int) -> str:
        return "".join(f"{mark} {line}\n" for line in source_text("english", seed).replace(" ", " zz ").splitlines())

    both = shutil.copytree(corpus, tmp_path / "both")
    rows = [
        {"text": task(seed) + code(seed), "metadata": {"path": str(seed), "licence": "", "cuts": [len(task(seed))]}}
        for seed in range(40)
    ]
    with gzip.open(documents_path(both, "train", f"{name}.answers"), "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    upcycle(recipe, tmp_path / "with", corpus=both)
    upcycle(recipe, tmp_path / "without", corpus=corpus)
    late = {name: _said(tmp_path / name, code(900))[12:] for name in ("with", "without")}
    assert min(late["with"]) > 0.7
    assert max(late["without"]) < 0.3
    assert max(_said(tmp_path / "with", task(901))[12:]) < 0.1
    assert min(_said(tmp_path / "with", source_text("rust", 902))[12:]) > 0.7


def test_a_pair_counts_once_in_a_piece_of_a_text_that_repeats_it():
    gate, once, often = _gate("rust"), [7, 8, 9, 9, 9, 9], [7, 8, *[9] * 200]
    scores = [
        gate_start.PairCounts(gate, [_row("rust", tokens), _row("C", [5] * 4)], ["rust"]).scores()
        for tokens in (once, often)
    ]
    assert torch.equal(*scores)


def test_the_calibration_is_that_of_a_logistic_regression_in_which_kinds_count_alike():
    torch.manual_seed(0)
    learn, others = 0.4 * torch.randn(4000, 1) + 0.8, 0.4 * torch.randn(4000, 1)
    evidence = {"rust": [learn[:3000], learn[3000:]], "java": [others[:3900]], "C": [others[3900:]]}
    slope, offset = (8 * gate_start.calibrated(evidence, ["rust"])).tolist()
    assert slope == pytest.approx(0.8 / 0.4**2, rel=0.1), "of two normal distributions with one variance"
    assert offset == pytest.approx(-0.4 * slope, rel=0.1)
    careful = 8 * gate_start.calibrated(evidence, ["rust"], 2.0)
    assert careful.tolist() == pytest.approx([slope, offset - math.log(2)], rel=0.05), "as odds of one to two"
    apart = {"rust": [torch.ones(9, 1)], "java": [-torch.ones(9, 1)]}
    assert 8 * gate_start.calibrated(apart, ["rust"])[0] <= 10 + 1e-4


def test_the_gate_knows_the_rows_of_a_base_that_are_no_tokens_of_its_tokenizer(gated: Path):
    model, tokenizer = load_hybrid(gated), AutoTokenizer.from_pretrained(gated)
    assert len(model.model.gates["pack"].token_kinds) == model.config.vocab_size == len(tokenizer) + 5


def test_without_text_there_is_no_gate(recipe: Recipe, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"moe\.gate\.languages.*--corpus"):
        upcycle(recipe, tmp_path / "hybrid")


def test_no_language_can_have_the_name_of_a_kind_of_other_text():
    for kind in gate_start.GATE_BACKGROUND:
        with pytest.raises(ValueError, match="a name has lower-case letters"):
            valid_name(kind)


def test_without_any_other_text_there_is_nothing_to_tell_from(world: World, recipe: Recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(gate_start, "package_files", lambda *args, **settings: {})
    monkeypatch.setattr(
        gate_start, "read_documents", lambda *args: read_documents(*args) if args[2] in ("rust", "go") else []
    )
    with pytest.raises(CorpusError, match=r"needs text that is not rust or go.*upcycle\.other_text"):
        upcycle(recipe, tmp_path / "hybrid", corpus=world.corpus)


def test_a_language_without_text_of_64_tokens_is_told():
    fitted = GateStart(learn=["rust", "go"], mean_p={"go": 0.9})
    report = UpcycleReport(Path("hybrid"), ParameterCounts(1, 1, 1), None, gate_start=fitted)
    *_, unknown = start_lines(report)
    assert unknown == "warning: how far the domain gate opens for rust is not known: no text of 64 tokens"


def test_too_little_text_is_told(world: World, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gate_start, "read_documents", lambda *args: read_documents(*args)[:9])
    with pytest.raises(CorpusError, match="9 files of rust"):
        upcycle(recipe, tmp_path / "hybrid", corpus=world.corpus)
    assert not (tmp_path / "hybrid").exists()


@pytest.mark.parametrize(("learn", "share"), [(["rust"], 1.5), (["rust", "go"], 0.95)])
def test_other_text_counts_for_more_beside_one_language_than_beside_several(learn: list[str], share: float):
    torch.manual_seed(0)
    count = len(learn)
    found = {kind: [torch.cat([torch.randn(900, count), torch.zeros(900, 1)], dim=1)] for kind in [*learn, "C"]}
    for number, language in enumerate(learn):
        found[language][0][:, number] += 1
    counts = gate_start.PairCounts(_gate(*learn), [_row(kind, [7, 8]) for kind in found], learn)
    of_languages = {kind: [text[:, :-1] for text in texts] for kind, texts in found.items()}
    expected = gate_start.calibrated(of_languages, learn, share)
    torch.testing.assert_close(counts.calibration(found)[0], expected)
    assert not torch.allclose(expected, gate_start.calibrated(of_languages, learn, 2.45 - share), rtol=0.01)
