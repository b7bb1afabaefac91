"""The domain gate as upcycling fits it: open for what is to be learnt, shut for all else."""

import math
from pathlib import Path

import pytest
import torch
from torch.distributions import MultivariateNormal
from transformers import AutoTokenizer

from multipl_judge.languages.own import valid_name
from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.corpus import build_corpus
from multipl_moe.corpus.documents import read_documents
from multipl_moe.errors import ConfigError, CorpusError
from multipl_moe.model.domain_gate import DomainGate
from multipl_moe.model.parameters import ParameterCounts
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.folder import read_json
from multipl_moe.upcycle import gate_start
from multipl_moe.upcycle.convert import UpcycleReport, start_lines, upcycle
from multipl_moe.upcycle.gate_start import GateStart
from tests.train.tiny import World, source_text, tiny_recipe, tiny_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return tiny_world(tmp_path_factory)


def _recipe(world: World) -> Recipe:
    return tiny_recipe(world.base, world.sources, moe={"languages": None})


@pytest.fixture(scope="module")
def gated(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gated") / "hybrid"
    report = upcycle(_recipe(world), folder, corpus=world.corpus)
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


def test_it_is_shut_for_text_of_a_folder_that_is_named(gated: Path, world: World, tmp_path: Path):
    def like_rust(seed: int) -> str:
        english = source_text("english", seed).splitlines()[0]
        lines = source_text("rust", seed).splitlines()
        return "\n".join(line if number % 5 else english for number, line in enumerate(lines))

    (tmp_path / "other").mkdir()
    for seed in range(20):
        (tmp_path / "other" / f"{seed}.pl").write_text(like_rust(seed))
    recipe = _recipe(world).with_settings("upcycle", other_text=[tmp_path / "other"])
    upcycle(recipe, tmp_path / "told", corpus=world.corpus)
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
        recipe = _recipe(world).with_settings("upcycle", other_text=[tmp_path / folder for folder in folders])
        with pytest.raises(ConfigError) as refused:
            upcycle(recipe, tmp_path / "no", corpus=world.corpus)
        assert [problem.split("; ")[0].rpartition("/")[2] for problem in refused.value.problems] == problems


def test_the_record_tells_what_was_read_and_what_the_gate_says(gated: Path, world: World):
    record, config = read_json(gated / "upcycle.json")["gate_start"], read_json(gated / "config.json")
    assert config["moe"]["gate"]["languages"] == ["rust", "go"]
    assert set(world.recipe.languages) <= set(record["texts"])
    assert record["mean_p"]["rust"] > 0.5 > record["mean_p"]["python"]


def test_the_same_text_gives_the_same_gate(gated: Path, world: World, tmp_path: Path):
    upcycle(_recipe(world), tmp_path / "again", corpus=world.corpus)
    buffers = [
        dict(load_hybrid(folder).model.domain_gates["pack"].named_buffers()) for folder in (gated, tmp_path / "again")
    ]
    assert all(torch.equal(value, buffers[1][name]) for name, value in buffers[0].items())


@pytest.mark.parametrize("num_directions", [1, 3, 6])
def test_a_density_is_a_normal_distribution_with_the_texts_own_largest_variances(num_directions: int):
    gate, hidden = DomainGate(1, 7, 5, 0.5, 0.05), 7
    z = torch.randn(400, hidden) @ torch.randn(hidden, hidden) + torch.randn(hidden)
    gate_start.fit_density(gate, 0, z, num_directions)
    gate_start.fit_density(gate, 1, torch.randn(400, hidden), 2)
    gate.center.zero_()
    found = gate.scores(torch.nn.functional.pad(z[:9], (0, 1)))

    def log_density(values: torch.Tensor, samples: torch.Tensor, directions: int) -> torch.Tensor:
        variances, vectors = torch.linalg.eigh(torch.cov(samples.t(), correction=0))
        kept = variances.clone()
        kept[: hidden - directions] = variances[: hidden - directions].mean()
        covariance = vectors @ kept.diag() @ vectors.t()
        return MultivariateNormal(samples.mean(dim=0), (covariance + covariance.t()) / 2).log_prob(values)

    torch.manual_seed(0)
    assert found.diff() == pytest.approx(
        (log_density(z[:9], z, num_directions) - _other(gate, z[:9])).diff(), rel=1e-3, abs=1e-3
    )


@pytest.mark.parametrize(
    ("apart", "learn_shut", "others_open"), [(9.0, 0.02, 0.0), (3.5, 0.22, 0.003), (1.0, 0.25, 0.37)]
)
def test_a_threshold_lets_next_to_no_other_text_in_unless_too_much_would_be_shut_out(
    apart: float, learn_shut: float, others_open: float
):
    torch.manual_seed(0)
    learn, others = torch.randn(4000) + apart, torch.randn(4000)
    threshold, width = gate_start.place_threshold(learn, others)
    assert (learn < threshold).float().mean() == pytest.approx(learn_shut, abs=0.2 * learn_shut)
    assert (others > threshold).float().mean() == pytest.approx(others_open, rel=0.1, abs=0.002)
    assert torch.sigmoid((learn.median() - threshold) / width) > 0.99
    assert gate_start.place_threshold(learn, others[:0])[0] == learn.quantile(0.02)


def test_a_tokens_score_is_how_much_likelier_it_is_in_text_of_a_language_than_in_other_text():
    learn = torch.tensor([[40.0, 0, 0, 0, 0, 960], [0, 1600.0, 0, 0, 0, 38400]])
    others = torch.tensor([0, 0, 600.0, 0, 0, 19400])
    found = gate_start.token_scores(learn, others)
    assert found.shape == (6, 2)
    for language, (total, shares) in enumerate([(1000, (0.04, 0, 0, 0, 0, 0.96)), (20000, (0, 0.04, 0, 0, 0, 0.96))]):
        for token, share in enumerate(shares):
            expected = math.log((total * share + 0.5) / (total * (0, 0, 0.03, 0, 0, 0.97)[token] + 0.5))
            assert found[token, language] == pytest.approx(min(max(expected, -3), 3), abs=1e-5)
    assert found[0, 0] == found[1, 1] == 3
    assert found[2, 0] == -3
    assert found[3].tolist() == [0, 0]


def test_states_and_tokens_put_text_to_learn_and_other_text_as_far_apart():
    gate, is_learn = DomainGate(2, 5, 4, 0.5, 0.05), torch.arange(40) < 20
    for kind in range(3):
        gate_start.fit_density(gate, kind, torch.randn(60, 5) + 3 * kind, 2)
    gate.center.zero_()
    means = torch.cat([torch.randn(40, 5) + 6 * ~is_learn[:, None], torch.randn(40, 2) + is_learn[:, None]], dim=1)
    before, token_scores = means.clone(), gate.token_scores.clone()
    samples = gate_start._Samples(means, ["a"] * 40, torch.full((40,), 16), torch.ones(40, dtype=torch.bool))
    gate_start._weigh_tokens(gate, samples, is_learn)

    def apart(scores: torch.Tensor) -> float:
        return float(scores[is_learn].median() - scores[~is_learn].median())

    assert apart(samples.means[:, 5:].amax(dim=1)) == pytest.approx(
        apart(gate.density_ratios(means[:, :5]).amax(dim=1)), rel=1e-4
    )
    weight = samples.means[0, 5] / before[0, 5]
    assert weight > 0
    assert weight != pytest.approx(1)
    torch.testing.assert_close(samples.means[:, 5:], before[:, 5:] * weight)
    torch.testing.assert_close(gate.token_scores, token_scores * weight)
    assert torch.equal(samples.means[:, :5], before[:, :5])


def test_a_tokens_score_counts_all_of_a_text_that_is_read_not_its_beginning_alone():
    row = gate_start._Row("rust", [1] * 200 + [2] * 300, False)
    assert gate_start._token_counts([row], ["rust"], 4).tolist() == [[0, 200, 300, 0], [0, 0, 0, 0]]


def test_a_hybrid_with_new_tokens_has_a_gate_of_its_own_vocabulary(world: World, tmp_path: Path):
    recipe = tiny_recipe(
        world.base,
        world.sources,
        moe={"languages": None},
        corpus={"fim": {"rate": 0.5, "tokens": ["<a>", "<b>", "<c>"]}},
    )
    build_corpus(recipe, world.base, tmp_path / "corpus")
    upcycle(recipe, tmp_path / "hybrid", corpus=tmp_path / "corpus")
    model = load_hybrid(tmp_path / "hybrid")
    assert len(model.model.gates["pack"].token_scores) == model.config.vocab_size


def _other(gate: DomainGate, z: torch.Tensor) -> torch.Tensor:
    """The log density of the last kind, by its parts, up to a constant."""
    away = z - gate.means[-1]
    along = (away @ gate.directions[-1].t()).square().sum(dim=1)
    return gate.constants[-1] - (gate.precisions[-1] * away.square().sum(dim=1) - along) / 2


def test_without_text_there_is_no_gate(world: World, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"moe\.gate\.languages.*--corpus"):
        upcycle(_recipe(world), tmp_path / "hybrid")


@pytest.mark.parametrize("kind", gate_start.GATE_BACKGROUND)
def test_no_language_can_have_the_name_of_a_kind_of_other_text(kind: str):
    with pytest.raises(ValueError, match="a name has lower-case letters"):
        valid_name(kind)


def test_without_any_other_text_there_is_nothing_to_tell_from(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gate_start, "package_files", lambda *args, **settings: {})
    monkeypatch.setattr(
        gate_start, "read_documents", lambda *args: read_documents(*args) if args[2] in ("rust", "go") else []
    )
    with pytest.raises(CorpusError, match=r"needs text that is not rust or go.*upcycle\.other_text"):
        upcycle(_recipe(world), tmp_path / "hybrid", corpus=world.corpus)


def test_a_language_without_text_of_64_tokens_is_told():
    fitted = GateStart(learn=["rust", "go"], mean_p={"go": 0.9})
    report = UpcycleReport(Path("hybrid"), ParameterCounts(1, 1, 1), None, gate_start=fitted)
    *_, unknown = start_lines(report)
    assert unknown == "warning: how far the domain gate opens for rust is not known: no text of 64 tokens"


def test_too_little_text_is_told(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gate_start, "read_documents", lambda *args: read_documents(*args)[:9])
    with pytest.raises(CorpusError, match="9 files of rust"):
        upcycle(_recipe(world), tmp_path / "hybrid", corpus=world.corpus)
    assert not (tmp_path / "hybrid").exists()
