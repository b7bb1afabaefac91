"""The domain gate fitted to a corpus: how text to learn differs from all other text, in which tokens follow which.

Everything that is not to be learnt is prose or other code: the languages to keep, the starter problems' programs and
those in the folder samples, and files of other kinds from installed packages and from the folders of
`upcycle.other_text`. How sure the gate may be is measured on texts that its tables did not count: a fifth of a
language's files or programs, or of a folder that a recipe names, one of a sample's four texts, and all of a kind out
of installed packages.

Shapes: T tokens of a text, P places of pairs, L languages to learn, C = L + 1 columns, K kinds (languages to learn
first, then prose, then other code).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice, zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from multipl_judge.languages.answers import answers_in
from multipl_judge.languages.entry import Language
from multipl_judge.languages.own import add_languages
from multipl_judge.languages.source_text import marked_code
from multipl_judge.languages.table import language_title
from multipl_judge.problems.starter_set import read_starter
from multipl_moe.corpus.documents import TextFile, documents_path, read_documents
from multipl_moe.data.package_files import folder_files, package_files
from multipl_moe.errors import ConfigError, CorpusError
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.domain_gate import DomainGate
from multipl_moe.model.gate_reading import MOST_OF_A_PAIR, pairs_of
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.start_tokens import start_tokens
from multipl_moe.upcycle.gate_tokens import fence_names, own_marks, prose_names, token_kinds, written_in

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
_PROSE = ("plain text", "man pages", "gettext files")  # of these, beside languages to keep that are no code
_TEXTS = 400  # read of each language
_BACKGROUND_TEXTS = 100  # read of each kind of other text
_MOST_OF_A_PACKAGE = 16  # texts of a kind, so that no kind is one project's style
_MOST_ENDINGS = 40  # kinds of other text out of the folders that a recipe names
_CHARACTERS = 8192  # of a text that are split into tokens and counted
_CHUNK = 256  # tokens in which a pair counts once: what one text repeats is its own matter
# The next three were chosen by looking at the texts of benchmarks/gate_switches.py (docs/domain-gate.md)
_UNSEEN = 2.0  # added to each count, so that a pair must be seen some times to speak
_OF_ONE_KIND = 0.2  # of a pair's share in the kind of other text that has it most: counts for all, or relatives drown
_SHRINKS = 1000.0  # pairs, added to those of a kind for that, as few say little
_FOLDS = 5  # texts of a language in turn; each fifth text is scored by tables without its fold
_FEWEST = 2  # texts to learn in a fold, at the least
_FEWEST_TOKENS = 16  # in a text, at the least
_CALIBRATES = 80  # texts of a kind that set the calibration, at most: bounds its time
_READ = 640  # tokens of each of these, at most: likewise
_SEGMENT = 8  # tokens over which a score is calibrated
_NO_PROSE = -2.0  # nats of a token for prose, where there is none to read
_ALONE = 1.5  # other text counts so much beside one language to learn: the best of several is more careful by itself
_TOGETHER = 0.95  # and so much beside several: with relatives among other text, files to learn would else lose p
# (0.95 and the samples were chosen by looking at the files of the table of relatives in docs/domain-gate.md)
_SAMPLES = Path(__file__).parent / "samples"
_STEEPEST = 10.0  # nats for a score of 1: what few texts, which nothing confuses, may set
_PARTS_21 = torch.arange(2)[:, None]  # the two tables of pairs
_AFTER = 64  # tokens after which it is told how far the gate is open


@dataclass
class GateStart:
    """A fitted gate, and what it says of texts that its tables did not count.

    Attributes:
        learn: the languages that it opens for.
        texts: how many there were, by language or kind, also shorter ones than are read.
        mean_p: p after 64 tokens, mean over the texts, by language or kind.
        tensors: the gate's, by their names in `DomainGate`.
    """

    learn: list[str] = field(default_factory=list)
    texts: dict[str, int] = field(default_factory=dict)
    mean_p: dict[str, float] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict, without the tensors."""
        return {"texts": self.texts, "mean_p": self.mean_p}


def fit_domain_gate(base_folder: Path, corpus: Path, recipe: Recipe, moe: MoeConfig, vocabulary: int) -> GateStart:
    """Read some texts of each language of a corpus, and of other kinds, and fit the gate to the base's tokens of them.

    The base has `vocabulary` rows: more than its tokenizer has tokens, if some are spare.

    Raises:
        UserError: base or corpus cannot be read, or the corpus holds too little text of a language.
    """
    add_languages(recipe.own_languages)  # of which `marked_code` then knows the comments
    tokenizer = load_tokenizer(base_folder)
    texts, learn = _texts(corpus, recipe), moe.gate.languages
    rows = list(_rows(tokenizer, texts))
    _require_enough(rows, learn, corpus)
    programs = _programs(learn) | samples(recipe.endings, recipe.languages)
    texts, rows = texts | programs, rows + list(_rows(tokenizer, programs))
    gate = DomainGate(moe.gate, vocabulary)
    marks = own_marks(learn, recipe.languages, recipe.language_table)
    gate.token_kinds.copy_(token_kinds(tokenizer, vocabulary, marks))
    gate.names.copy_(fence_names(tokenizer, gate.token_kinds, learn, recipe.language_table))
    gate.mentions.copy_(prose_names(tokenizer, gate.token_kinds, learn, recipe.language_table))
    counts = PairCounts(gate, rows, learn, _prose_of(rows, learn, recipe.language_table))
    gate.pair_scores.copy_((counts.scores() * (127 / MOST_OF_A_PAIR)).round())
    evidence = {
        kind: [_segments(counts.held_out(row)) for row in islice(found, _CALIBRATES)]
        for kind, found in groupby(rows, key=lambda row: row.kind)
    }
    gate.calibration.copy_(counts.calibration(evidence))
    mean_p = _mean_p(gate, evidence)
    tensors = {name: value.clone() for name, value in gate.state_dict().items()}
    return GateStart(learn, {kind: len(found) for kind, found in texts.items()}, mean_p, tensors)


def _texts(corpus: Path, recipe: Recipe) -> dict[str, list[str]]:
    texts = {name: _texts_of(name, corpus, recipe.language_table) for name in recipe.languages}
    others = package_files(
        GATE_BACKGROUND, recipe.endings, most_files=_BACKGROUND_TEXTS, most_of_one=_MOST_OF_A_PACKAGE
    )
    others |= _others_in(recipe.upcycle.other_text, recipe.endings)
    return texts | {kind: [file.text for file in files] for kind, files in others.items()}


def _texts_of(name: str, corpus: Path, table: dict[str, Language]) -> list[str]:
    """Those of a language: its files, and between them the code of its answers, which is shorter and says less.

    Without the comments that tasks are told in: they would say the language of the same task in another one.
    """
    texts = [written_in(file, name, table) for file in read_documents(corpus, "train", name, _TEXTS)]
    both = documents_path(corpus, "train", name), documents_path(corpus, "train", answers_in(name))
    if not (table[name].is_code and all(path.is_file() for path in both)):
        return texts
    answers = read_documents(corpus, "train", answers_in(name), _TEXTS)
    codes = [marked_code(written_in(answer, name, table), name) for answer in answers]
    return [text for pair in zip_longest(codes, texts) for text in pair if text is not None]


def _programs(learn: list[str]) -> dict[str, list[str]]:
    """Short programs in languages that are not to be learnt: what practice teaches must not be told by that alone.

    Without comments and literals: they say the same in all languages.
    """
    found: dict[str, list[str]] = {}
    for problem in read_starter():
        if problem.language not in learn:
            code = marked_code(problem.prompt + (problem.reference or ""), problem.language)
            found.setdefault(f"programs in {language_title(problem.language)}", []).append(code)
    return found


def samples(endings: Collection[str], names: Collection[str]) -> dict[str, list[str]]:
    """Short texts of this project by language, "programs in Lua" and such, without those of these endings or names.

    They are in languages that others look like, of which few machines have files: to a gate for Ruby that read none,
    Elixir and Lua are Ruby. Two blank lines end a text, also within a module, as windows of files do.
    """
    return {
        f"programs in {file.stem}": file.read_text(encoding="utf-8").split("\n\n\n")
        for file in sorted(_SAMPLES.glob("[A-Z]*.*"))
        if file.suffix not in endings and file.stem.lower() not in names
    }


def _prose_of(rows: list["Row"], learn: list[str], table: dict[str, Language]) -> list[str]:
    """The kinds that are prose; none where there is no other code, as both are told from that."""
    others = dict.fromkeys(row.kind for row in rows if row.kind not in learn)
    prose = [kind for kind in others if kind in _PROSE or (kind in table and not table[kind].is_code)]
    return prose if len(prose) < len(others) else []


def _others_in(folders: list[Path], left_out: Collection[str]) -> dict[str, list[TextFile]]:
    """Texts by ending, of the endings with most."""
    if empty := [folder for folder in folders if not folder_files([folder], left_out, most_files=1)]:
        why = "holds no text outside the languages of the recipe; leave it out"
        raise ConfigError([f"upcycle.other_text: {folder} {why}" for folder in empty])
    found = folder_files(folders, left_out, most_files=_BACKGROUND_TEXTS)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))[:_MOST_ENDINGS])


@dataclass(frozen=True)
class Row:
    """The (T,) tokens of a text, of which kind it is, and in which fold."""

    kind: str
    tokens: Tensor
    fold: int


def _rows(tokenizer: PreTrainedTokenizerBase, texts: dict[str, list[str]]) -> Iterator[Row]:
    """The texts that are long enough, each up to 8,192 characters."""
    start = start_tokens(tokenizer)
    for kind, found in texts.items():
        cut = [text[:_CHARACTERS] for text in found]
        encoded = tokenizer(cut, add_special_tokens=False)["input_ids"] if cut else []
        long = [row for tokens in encoded if len(row := [*start, *tokens]) >= _FEWEST_TOKENS]
        yield from (Row(kind, torch.tensor(row), number % _FOLDS) for number, row in enumerate(long))


def _require_enough(rows: list[Row], learn: list[str], corpus: Path) -> None:
    found = Counter(row.kind if row.kind in learn else None for row in rows)
    for kind in learn:
        if found[kind] < _FEWEST * _FOLDS:
            raise CorpusError(
                f"{corpus}: {found[kind]} files of {kind} have {_FEWEST_TOKENS} tokens or more, and the domain gate "
                f"needs {_FEWEST * _FOLDS}; give it more text, or go without: "
                "--set moe.gate.languages=[], and train.replay=0.1 in training"
            )
    if found[None] < _FEWEST * _FOLDS:
        raise CorpusError(
            f"{corpus}: the domain gate needs text that is not {' or '.join(learn)}, and there is none; name folders "
            "of some in upcycle.other_text, or languages to keep"
        )


class PairCounts:
    """In how many pieces of 256 tokens each pair was seen, by kind and fold, and what that says of a text.

    Args:
        gate: whose pairs they are.
        rows: all texts.
        learn: the languages to learn.
        prose: the kinds of other text that are prose.
    """

    def __init__(self, gate: DomainGate, rows: list[Row], learn: list[str], prose: Sequence[str] = ()) -> None:
        self._gate, self._learn, self._prose = gate, learn, prose
        code = dict.fromkeys(row.kind for row in rows if row.kind not in [*learn, *prose])
        self._kinds = [*learn, *prose, *code]
        shape = (len(self._kinds), _FOLDS, 2, gate.pair_scores.shape[1])
        self._seen_KF2P = torch.zeros(shape, dtype=torch.int16)
        for row in rows:
            seen_2P = self._seen_KF2P[self._kinds.index(row.kind), row.fold]
            for places_2T in pairs_of(gate, row.tokens).split(_CHUNK, dim=1):
                seen_2P[_PARTS_21, places_2T] += 1  # once, however often a place is among them
        self._total_K2P = self._seen_KF2P.sum(dim=1, dtype=torch.float32)
        self._sums_KF2 = self._seen_KF2P.sum(dim=3, dtype=torch.float32)

    def scores(self) -> Tensor:
        """(2, P, C) what each pair says for each language, and for prose."""
        return self._scores(self._total_K2P, self._sums_KF2.sum(dim=1))

    def held_out(self, row: Row) -> Tensor:
        """(T, C) what its first 640 pairs say by tables without it: without its fold, or its kind if nobody named it.

        Whatever text is to be told from what was learnt, nobody may have named it either.
        """
        places_2T, kind = pairs_of(self._gate, row.tokens[:_READ]), self._kinds.index(row.kind)
        counts_K2T = self._total_K2P[:, _PARTS_21, places_2T]
        sums_K2 = self._sums_KF2.sum(dim=1)
        has_other_code = len(self._kinds) > len(self._learn) + len(self._prose) + 1
        if row.kind in GATE_BACKGROUND and row.kind not in self._prose and has_other_code:
            counts_K2T[kind], sums_K2[kind] = 0, 0
        else:
            counts_K2T -= self._seen_KF2P[:, row.fold][:, _PARTS_21, places_2T]
            sums_K2 -= self._sums_KF2[:, row.fold]
        return self._scores(counts_K2T, sums_K2).mean(dim=0)

    def _scores(self, counts_K2P: Tensor, sums_K2: Tensor) -> Tensor:
        num_learn, num_told = len(self._learn), len(self._learn) + len(self._prose)
        counts_O2P, sums_O2 = counts_K2P[num_told:], sums_K2[num_told:]
        prose_12P = counts_K2P[num_learn:num_told].sum(dim=0, keepdim=True)
        prose_12 = sums_K2[num_learn:num_told].sum(dim=0, keepdim=True)
        told_C2P, told_C2 = torch.cat([counts_K2P[:num_learn], prose_12P]), torch.cat([sums_K2[:num_learn], prose_12])
        parts = [
            pair_scores(told_C2P[:, part], told_C2[:, part], counts_O2P[:, part], sums_O2[:, part]) for part in range(2)
        ]
        return torch.stack(parts)

    def calibration(self, evidence: dict[str, list[Tensor]]) -> Tensor:
        """(2, 2) as of a gate, of the means over 8 tokens of each kind's held-out texts, (G, C)."""
        of_code = {k: [text_GC[:, :-1] for text_GC in texts] for k, texts in evidence.items() if k not in self._prose}
        of_languages = calibrated(of_code, self._learn, _ALONE if len(self._learn) == 1 else _TOGETHER)
        if not self._prose:
            return torch.stack([of_languages, torch.tensor([0.0, _NO_PROSE])])
        of_others = {k: [text_GC[:, -1:] for text_GC in texts] for k, texts in evidence.items() if k not in self._learn}
        return torch.stack([of_languages, calibrated(of_others, self._prose)])


def pair_scores(told_CP: Tensor, told_C: Tensor, others_OP: Tensor, others_O: Tensor) -> Tensor:
    """(P, C): log of how much likelier each pair is in text of a language, or in prose, than in other code.

    A pair that neither side has scores 0. No pair scores more than a ratio of 20. In other code a pair is as likely as
    in all of it, or a fifth as likely as in the kind that has it most, if that is more.

    Args:
        told_CP, told_C: counts of some pairs, and of all, in the languages to learn and in prose.
        others_OP, others_O: the same in kinds of other code.
    """
    of_all_P = others_OP.sum(dim=0) / others_O.sum().clamp(min=1)
    of_one_P = (others_OP / (others_O[:, None] + _SHRINKS)).amax(dim=0)
    # One total for both sides, or pairs that neither has would speak for the shorter one
    total_C1 = told_C.minimum(others_O.sum())[:, None]
    told_CP = told_CP / told_C[:, None].clamp(min=1) * total_C1
    others_CP = of_all_P.maximum(_OF_ONE_KIND * of_one_P) * total_C1
    scores_CP = ((told_CP + _UNSEEN) / (others_CP + _UNSEEN)).log()
    return scores_CP.clamp(-MOST_OF_A_PAIR, MOST_OF_A_PAIR).t()


def _segments(scores_TC: Tensor) -> Tensor:
    """(G, C) means over 8 tokens each, of the first 640 tokens of a text."""
    whole = scores_TC[: min(len(scores_TC), _READ) // _SEGMENT * _SEGMENT]
    return whole.view(-1, _SEGMENT, whole.shape[1]).mean(dim=1)


def calibrated(evidence: dict[str, list[Tensor]], told: Sequence[str], others: float = 1.0) -> Tensor:
    """(2,) nats for a score of 1, and nats that each token adds: logistic regression, all kinds of a side alike.

    Of a segment of `told`, a kind that is to be told from the others, the best of its scores counts. All the others
    together count `others` times as much as all of `told`.
    """
    scores, is_learn, weights = [], [], []
    num_others = len(evidence.keys() - set(told))
    for kind, texts in evidence.items():
        best = torch.cat([segments_GC.amax(dim=1) for segments_GC in texts])
        share = 1 / len(told) if kind in told else others / num_others
        scores.append(best)
        is_learn.append(torch.full_like(best, float(kind in told)))
        weights.append(torch.full_like(best, share / max(len(best), 1)))
    score, target, weight = torch.cat(scores), torch.cat(is_learn), torch.cat(weights)
    line = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = line[0] * score + line[1]
        value = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum")
        value = value + 1e-4 * line.square().sum()  # else two sides that nothing confuses have no end
        value.backward()
        return value

    optimizer.step(loss)
    found = line.detach()
    return found / (found[0] / _STEEPEST).clamp(min=1) / _SEGMENT


def _mean_p(gate: DomainGate, evidence: dict[str, list[Tensor]]) -> dict[str, float]:
    """By kind, p after 64 tokens, where there are texts of so many."""
    of_languages, of_prose = gate.calibration * _SEGMENT
    slope_C, offset_C = torch.stack([*[of_languages] * gate.num_learn, of_prose], dim=1)
    found: dict[str, float] = {}
    for kind, texts in evidence.items():
        if long := [segments_GC for segments_GC in texts if len(segments_GC) >= _AFTER // _SEGMENT]:
            read_BGC = torch.stack([segments_GC[: _AFTER // _SEGMENT] for segments_GC in long])
            found[kind] = gate.p_of_evidence(slope_C * read_BGC + offset_C).mean().item()
    return found
