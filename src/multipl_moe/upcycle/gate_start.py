"""The domain gate fitted to a corpus: how text to learn differs from all other text, in the base's own states.

Everything that is not to be learnt is one kind: the languages to keep, and files of other kinds from installed packages
and from the folders of `upcycle.other_text`. Text that is like none of it counts as that kind too, as a density falls
off with distance.

Shapes: S samples (beginnings of texts of 16, 32, ..., 128 tokens), H hidden, L languages to learn, K = H + L (a mean
state, and mean token scores), C kinds, Q directions.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from multipl_moe.checkpoints.loading import load_dense, ready_for_evaluation
from multipl_moe.corpus.documents import TextFile, read_documents
from multipl_moe.data.package_files import folder_files, package_files
from multipl_moe.data.spread_windows import padded
from multipl_moe.errors import ConfigError, CorpusError
from multipl_moe.model.domain_gate import BIN_TOKENS, NUM_BINS, NUM_DIRECTIONS, DomainGate, gate_layer
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.start_tokens import start_tokens

GATE_BACKGROUND = {  # none may be the name of a language
    "JSON": (".json",),
    "HTML": (".html", ".htm"),
    "JavaScript": (".js", ".mjs"),
    "C": (".c", ".h"),
    "TOML": (".toml",),
    "Python stubs": (".pyi",),
    "gettext files": (".po",),
    "CSV": (".csv",),
    "Fortran": (".f", ".f90"),
    "SVG": (".svg",),
    "plain text": (".txt",),
    "man pages": (".1", ".3", ".5", ".7", ".8"),
    "settings files": (".cfg", ".ini", ".mplstyle"),
    "Meson": (".build",),
    "Windows scripts": (".bat", ".cmd"),
}
_TEXTS = 160  # read of each language
_BACKGROUND_TEXTS = 24  # read of each kind of other text
_MOST_OF_A_PACKAGE = 8  # texts of a kind, so that no kind is one project's style
_MOST_ENDINGS = 40  # kinds of other text out of the folders that a recipe names
_TOKENS = BIN_TOKENS * NUM_BINS  # read of a text: the gate has no threshold for more
_CHARACTERS = 2048  # of a text that are split into tokens and counted
_ROWS = 16  # texts in a batch
_LEARN_DIRECTIONS = 24  # of a language's density: fewer than the 64 of other text, which is broader
_CALIBRATES = 5  # each fifth text sets thresholds instead of densities; odd, as each second one is from within a file
_FEWEST = 2  # texts to learn that set a threshold
_CLOSED_SHARE = 0.02  # of text to learn, below the threshold at the least
_MOST_CLOSED = 0.25  # of text to learn, below the threshold at the most
_OPEN_SHARE = 0.003  # of other text, above the threshold unless more than _MOST_CLOSED would have to lie below
_LOGIT_OF_MEDIAN = 12.0  # of p at the median of text to learn: 1 but for 6e-6
_MOST_OF_A_TOKEN = 3.0  # nats of a token's score, a ratio of 20: bounds what one word can do
_UNSEEN = 0.5  # tokens added to each count (Krichevsky and Trofimov 1981)


@dataclass
class GateStart:
    """A fitted gate, and what it says of texts that only set its thresholds.

    Attributes:
        learn: the languages that it opens for.
        texts: how many there were, by language or kind, also shorter ones than are read.
        mean_p: p after 64 tokens, mean over the texts that densities were not fitted to, by language or kind.
        tensors: the gate's, by their names in `DomainGate`.
    """

    learn: list[str] = field(default_factory=list)
    texts: dict[str, int] = field(default_factory=dict)
    mean_p: dict[str, float] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict, without the tensors."""
        return {"texts": self.texts, "mean_p": self.mean_p}


@dataclass(frozen=True)
class _Samples:
    """Of S beginnings of texts: means (S, K), kinds, numbers of tokens (S,), whether they set thresholds (S,)."""

    means: Tensor
    kinds: list[str]
    tokens: Tensor
    calibrates: Tensor

    def of(self, kinds: Sequence[str]) -> Tensor:
        return torch.tensor([kind in kinds for kind in self.kinds])


@torch.no_grad()
def fit_domain_gate(base_folder: Path, corpus: Path, recipe: Recipe, moe: MoeConfig, vocabulary: int) -> GateStart:
    """Read some texts of each language of a corpus, and of other kinds, with the base's first layers, and fit the gate.

    Thresholds are those of texts that nothing else was fitted to but the weight of token scores. The hybrid has
    `vocabulary` tokens: more than the base where some are new.

    Raises:
        UserError: base or corpus cannot be read, or the corpus holds too little text of a language.
    """
    tokenizer = AutoTokenizer.from_pretrained(base_folder)
    texts = _texts(corpus, recipe)
    rows = _rows(tokenizer, texts)
    _require_enough(rows, moe.gate.languages, corpus)
    model = ready_for_evaluation(load_dense(base_folder))
    sizes = (len(moe.gate.languages), model.config.hidden_size, model.config.vocab_size)
    gate = DomainGate(*sizes, moe.gate.start, moe.gate.bound)
    counts_CT = _token_counts(rows, moe.gate.languages, model.config.vocab_size)
    gate.token_scores.copy_(token_scores(counts_CT[:-1], counts_CT[-1]))
    samples = _read(model, rows, gate_layer(moe.layers, model.config.num_hidden_layers), gate)
    _fit(gate, samples, moe.gate.languages)
    gate.resize(vocabulary)
    tensors = {name: value.clone() for name, value in gate.named_buffers()}
    counts = {kind: len(found) for kind, found in texts.items()}
    return GateStart(moe.gate.languages, counts, _mean_p(gate, samples, list(texts)), tensors)


def _texts(corpus: Path, recipe: Recipe) -> dict[str, list[str]]:
    """Texts by language or kind; of the languages' files each second one from somewhere within."""
    texts: dict[str, list[str]] = {}
    for name in recipe.languages:
        files = read_documents(corpus, "train", name, _TEXTS)
        texts[name] = [file.text if number % 2 else _middle(file.text) for number, file in enumerate(files)]
    others = package_files(
        GATE_BACKGROUND, recipe.endings, most_files=_BACKGROUND_TEXTS, most_of_one=_MOST_OF_A_PACKAGE
    )
    others |= _others_in(recipe.upcycle.other_text, recipe.endings)
    return texts | {kind: [file.text for file in files] for kind, files in others.items()}


def _others_in(folders: list[Path], left_out: Collection[str]) -> dict[str, list[TextFile]]:
    """Texts by ending, of the endings with most."""
    if empty := [folder for folder in folders if not folder_files([folder], left_out, most_files=1)]:
        raise ConfigError(
            [
                f"upcycle.other_text: {folder} holds no text outside the languages of the recipe; leave it out"
                for folder in empty
            ]
        )
    found = folder_files(folders, left_out, most_files=_BACKGROUND_TEXTS)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))[:_MOST_ENDINGS])


def _middle(text: str) -> str:
    """The text from the line on that follows its middle, if much is left."""
    begin = text.find("\n", len(text) // 2) + 1
    return text[begin:] if len(text) - begin >= _CHARACTERS else text


@dataclass(frozen=True)
class _Row:
    kind: str
    tokens: list[int]
    calibrates: bool


def _rows(tokenizer: PreTrainedTokenizerBase, texts: dict[str, list[str]]) -> list[_Row]:
    """The texts that are long enough, each up to 2,048 characters, the shortest first."""
    start = start_tokens(tokenizer)
    rows: list[_Row] = []
    for kind, found in texts.items():
        cut = [text[:_CHARACTERS] for text in found]
        encoded = tokenizer(cut, add_special_tokens=False)["input_ids"] if cut else []
        long = [row for tokens in encoded if len(row := [*start, *tokens]) >= BIN_TOKENS]
        rows += [_Row(kind, row, number % _CALIBRATES == 0) for number, row in enumerate(long)]
    return sorted(rows, key=lambda row: len(row.tokens))


def _require_enough(rows: list[_Row], learn: list[str], corpus: Path) -> None:
    found = Counter(row.kind if row.kind in learn else None for row in rows)
    for kind in learn:
        if found[kind] < _FEWEST * _CALIBRATES:
            raise CorpusError(
                f"{corpus}: {found[kind]} files of {kind} have {BIN_TOKENS} tokens or more, and the domain gate "
                f"needs {_FEWEST * _CALIBRATES}; give it more text, or go without: "
                "--set moe.gate.languages=[], and train.replay=0.1 in training"
            )
    if found[None] < _FEWEST * _CALIBRATES:
        raise CorpusError(
            f"{corpus}: the domain gate needs text that is not {' or '.join(learn)}, and there is none; name folders "
            "of some in upcycle.other_text, or languages to keep"
        )


def _token_counts(rows: list[_Row], learn: list[str], vocabulary: int) -> Tensor:
    """(C, vocabulary): how often the texts that set no thresholds have each token; other text is the last kind."""
    counts_CT = torch.zeros(len(learn) + 1, vocabulary)
    for row in rows:
        if not row.calibrates:
            kind = learn.index(row.kind) if row.kind in learn else -1
            counts_CT[kind] += torch.bincount(torch.tensor(row.tokens), minlength=vocabulary)
    return counts_CT


def token_scores(learn_LT: Tensor, others_T: Tensor) -> Tensor:
    """(vocabulary, L): log of how much likelier each token is in text of a language than in text not to be learnt.

    A token that neither side has scores 0. No token scores more than a ratio of 20.
    """
    # One total for both sides, or tokens that neither has would speak for the shorter one
    total_L1 = learn_LT.sum(dim=1, keepdim=True).minimum(others_T.sum())
    learn_LT = learn_LT / learn_LT.sum(dim=1, keepdim=True).clamp(min=1) * total_L1
    others_LT = others_T / others_T.sum().clamp(min=1) * total_L1
    scores_LT = ((learn_LT + _UNSEEN) / (others_LT + _UNSEEN)).log()
    return scores_LT.clamp(-_MOST_OF_A_TOKEN, _MOST_OF_A_TOKEN).t()


def _read(model: nn.Module, rows: list[_Row], layer: int, gate: DomainGate) -> _Samples:
    """Means of what the gate reads of all beginnings at the layer; the layers above it are not run."""
    means, kinds, tokens, calibrates = [], [], [], []
    for begin in range(0, len(rows), _ROWS):
        batch = rows[begin : begin + _ROWS]
        inputs = padded([row.tokens[:_TOKENS] for row in batch])
        read_BTK = gate.reads(_states(model, inputs, layer), inputs["input_ids"])
        for row, read_TK in zip(batch, read_BTK, strict=True):
            lengths = range(BIN_TOKENS, min(len(row.tokens), _TOKENS) + 1, BIN_TOKENS)
            sums_TK = read_TK.cumsum(dim=0)
            means += [sums_TK[length - 1] / length for length in lengths]
            kinds += [row.kind] * len(lengths)
            tokens += lengths
            calibrates += [row.calibrates] * len(lengths)
    return _Samples(torch.stack(means).cpu(), kinds, torch.tensor(tokens), torch.tensor(calibrates))


class _EnoughError(Exception):
    """What ends a pass when the layer was reached."""


def _states(model: Any, batch: dict[str, Tensor], layer: int) -> Tensor:
    """(B, T, H) inputs of a layer's feed-forward block."""
    found: list[Tensor] = []

    def keep(block: nn.Module, args: tuple[Tensor, ...]) -> None:
        found.append(args[0])
        raise _EnoughError

    hook = model.get_decoder().layers[layer].mlp.register_forward_pre_hook(keep)
    try:
        model(**{name: value.to(model.device) for name, value in batch.items()}, use_cache=False)
    except _EnoughError:
        pass
    finally:
        hook.remove()
    return found[0]


def _fit(gate: DomainGate, samples: _Samples, learn: list[str]) -> None:
    fits_S = ~samples.calibrates
    states_SH = samples.means[:, : len(gate.center)]
    gate.center.copy_(states_SH[fits_S].mean(dim=0))
    gate.scale.copy_(states_SH[fits_S].std(dim=0).clamp(min=1e-6))
    z_SH = (states_SH - gate.center) / gate.scale
    is_learn_S = samples.of(learn)
    groups = [(samples.of([kind]), _LEARN_DIRECTIONS) for kind in learn] + [(~is_learn_S, NUM_DIRECTIONS)]
    for index, (chosen_S, num_directions) in enumerate(groups):
        fit_density(gate, index, z_SH[chosen_S & fits_S], num_directions)
    _weigh_tokens(gate, samples, is_learn_S)
    for place in range(NUM_BINS):
        chosen_S = samples.calibrates & (samples.tokens == (place + 1) * BIN_TOKENS)
        scores_L, scores_O = (gate.scores(samples.means[chosen_S & is_S]) for is_S in (is_learn_S, ~is_learn_S))
        if len(scores_L) < _FEWEST:  # no text is so long: what is said of shorter ones holds
            gate.thresholds[place:], gate.widths[place:] = gate.thresholds[place - 1], gate.widths[place - 1]
            break
        gate.thresholds[place], gate.widths[place] = place_threshold(scores_L, scores_O)


def _weigh_tokens(gate: DomainGate, samples: _Samples, is_learn_S: Tensor) -> None:
    """Let token scores count as much as densities: medians of text to learn and of other text are as far apart."""
    states_SH, tokens_SL = samples.means.split([len(gate.center), gate.token_scores.shape[1]], dim=1)
    apart = []
    for scores_S in (gate.density_ratios(states_SH).amax(dim=1), tokens_SL.amax(dim=1)):
        medians = [scores_S[samples.calibrates & is_S].median() for is_S in (is_learn_S, ~is_learn_S)]
        apart.append((medians[0] - medians[1]).nan_to_num(0.0))
    weight = apart[0] / apart[1] if min(apart) > 0 else torch.tensor(0.0)
    gate.token_scores *= weight
    samples.means[:, states_SH.shape[1] :] *= weight


def place_threshold(learn: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """The score at which p is a half, and how fast p rises, from scores of text to learn and of other text.

    At most 0.3% of other text scores above the threshold. For that it rises as far as the 25% quantile of text to
    learn, but never falls below the 2% quantile. Without other text it is the 2% quantile.
    """
    low, most, middle = torch.quantile(learn, torch.tensor([_CLOSED_SHARE, _MOST_CLOSED, 0.5]))
    threshold = low if len(others) == 0 else torch.quantile(others, 1 - _OPEN_SHARE).clamp(low, most)
    return threshold, ((middle - threshold) / _LOGIT_OF_MEDIAN).clamp(min=1e-6)


def fit_density(gate: DomainGate, kind: int, z_SH: Tensor, most_directions: int) -> None:
    """A normal distribution of low rank, and one variance for all other directions (probabilistic PCA)."""
    num_samples, hidden = z_SH.shape
    num_directions = min(most_directions, max(num_samples // 8, 1), hidden - 1)
    gate.means[kind] = z_SH.mean(dim=0)
    _, singular, directions = torch.linalg.svd(z_SH - gate.means[kind], full_matrices=False)
    variances = (singular**2 / num_samples).clamp(min=1e-6)
    rest = ((variances.sum() - variances[:num_directions].sum()) / (hidden - num_directions)).clamp(min=1e-6)
    variances = variances[:num_directions].clamp(min=rest)
    gate.directions[kind] = 0
    gate.directions[kind, :num_directions] = directions[:num_directions] * (1 / rest - 1 / variances).sqrt()[:, None]
    gate.precisions[kind] = 1 / rest
    gate.constants[kind] = -(variances.log().sum() + (hidden - num_directions) * rest.log()) / 2


def _mean_p(gate: DomainGate, samples: _Samples, kinds: list[str]) -> dict[str, float]:
    chosen_S = samples.calibrates & (samples.tokens == _TOKENS // 2)
    found = {}
    for kind in kinds:
        means_SH = samples.means[chosen_S & samples.of([kind])]
        if len(means_SH):
            p_S = gate.posterior(means_SH, torch.full((len(means_SH),), _TOKENS // 2))
            found[kind] = torch.where(p_S < gate.bound, 0.0, p_S).mean().item()
    return found
