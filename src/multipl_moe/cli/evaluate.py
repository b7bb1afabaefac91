"""`multipl-moe eval`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from multipl_moe.cli.app import console, working
from multipl_moe.cli.options import (
    Keep,
    Learn,
    RecipeFile,
    Seed,
    Settings,
    Unsafe,
    entered_run,
    recipe_from_flags,
    refuse_where,
    removed_if_refused,
    require_folders,
    split_names,
)
from multipl_moe.cli.programs import Asked, check_asked, judge_programs, show_verdict
from multipl_moe.errors import ConfigError, CorpusError
from multipl_moe.system.staging import refuse_existing, staged_folder

if TYPE_CHECKING:
    from multipl_moe.recipe.recipe import Recipe
    from multipl_moe.runs.result import EvaluatedChanges, EvaluatedMeasure, EvaluatedScores

_Output = Annotated[Path, typer.Argument(help="Evaluation folder to create.")]
_Model = Annotated[
    str | None, typer.Option(help="Model to evaluate: folder, hub id, GGUF file, or by name, as bases are.")
]
_Metric = Annotated[
    str,
    typer.Option(
        help="Metric: pass (programs that pass their tests), bpb (bits per byte), or another measure, as moved (how "
        "far the model's predictions lie from its base's)."
    ),
]
_Against = Annotated[
    str | None,
    typer.Option(
        help="Model before, to compare with: the folder of its earlier evaluation (pass), or the model itself."
    ),
]
_Corpus = Annotated[Path | None, typer.Option(help="Corpus folder whose held-out files are read (not for pass).")]
_Benchmark = Annotated[
    list[str] | None,
    typer.Option(
        help="Benchmark to evaluate on (pass only), as starter or multipl-e-humaneval (all: docs/evaluation.md)"
        "; NAME:PATH for a local copy; PATH.jsonl for your own set, with tests in a language or with inputs and "
        "outputs for every language; may be repeated. [starter]"
    ),
]
_Languages = Annotated[
    str | None, typer.Option(help="Languages to evaluate, comma-separated (pass only). [all of the benchmarks]")
]
_NumSamples = Annotated[int | None, typer.Option(min=1, help="Number of completions per problem (pass only). [1]")]
_Temperature = Annotated[
    float | None, typer.Option(min=0, help="Sampling temperature; 0 takes the likeliest token (pass only). [0]")
]
_MaxNewTokens = Annotated[
    int | None, typer.Option(min=1, help="Maximum number of tokens per completion (pass only). [512]")
]
_PassAt = Annotated[str | None, typer.Option(help="Values of k for pass@k, comma-separated (pass only). [1,5,10,100]")]
_Endpoint = Annotated[
    str | None,
    typer.Option(help="Server with OpenAI's interface to evaluate instead of --model, http://HOST/v1 (pass only)."),
]
_EndpointModel = Annotated[str | None, typer.Option(help="Name of the model on the --endpoint server (pass only).")]
_Chat = Annotated[
    bool, typer.Option("--chat", help="Ask by chat, or take all --completions for chat answers (pass only).")
]
_Completions = Annotated[
    Path | None,
    typer.Option(
        help="Completions made elsewhere, to evaluate instead of --model: a file or folder as EvalPlus, the bigcode "
        "harness, MultiPL-E, HumanEval-X or mxeval publish them (pass only)."
    ),
]
_Reference = Annotated[
    bool,
    typer.Option(
        "--reference", help="Check the benchmarks with their own reference solutions, without a model (pass only)."
    ),
]
_Workers = Annotated[
    int | None, typer.Option(min=1, help="Number of programs to run at a time (pass only). [one per processor]")
]
_Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted evaluation (pass only).")]

_OF_PROGRAMS = (
    *("benchmark", "languages", "num_samples", "temperature", "max_new_tokens", "pass_at", "endpoint"),
    *("endpoint_model", "chat", "completions", "reference", "workers", "unsafe_no_sandbox", "resume"),
)
"""Parameters of `evaluate` that only --metric pass has a use for."""


def evaluate(
    context: typer.Context,
    output: _Output,
    model: _Model = None,
    metric: _Metric = "pass",
    against: _Against = None,
    corpus: _Corpus = None,
    benchmark: _Benchmark = None,
    languages: _Languages = None,
    num_samples: _NumSamples = None,
    temperature: _Temperature = None,
    max_new_tokens: _MaxNewTokens = None,
    pass_at: _PassAt = None,
    endpoint: _Endpoint = None,
    endpoint_model: _EndpointModel = None,
    chat: _Chat = False,
    completions: _Completions = None,
    reference: _Reference = False,
    workers: _Workers = None,
    unsafe_no_sandbox: Unsafe = False,
    resume: _Resume = False,
    recipe: RecipeFile = None,
    settings: Settings = None,
    learn: Learn = None,
    keep: Keep = None,
    seed: Seed = None,
) -> None:
    """Evaluate a model: programs that pass their tests, bits per byte on held-out files, or how far it moved.

    Programs run in a sandbox (bubblewrap), after each toolchain has been tried. OUTPUT/problems.html shows what was
    written and how it ended.

    Example: `multipl-moe eval runs/pass --model runs/demo/model --benchmark starter --languages rust,go,ruby`
    """
    flags: dict[str, Any] = {"learn": learn, "keep": keep, "seed": seed, "codegen.seed": seed}
    flags |= {"programs.benchmarks": benchmark or None, "programs.languages": languages}
    flags |= {"programs.pass_at": _numbers("--pass-at", pass_at), "programs.workers": workers}
    flags |= {"codegen.num_samples": num_samples, "codegen.temperature": temperature}
    chosen = recipe_from_flags(recipe, settings, flags | {"codegen.max_new_tokens": max_new_tokens})
    from multipl_moe.runs.result import MEASURE_NAMES

    if metric == "bpb" or metric in MEASURE_NAMES:
        _predictions(metric, chosen, model, _given(context, _OF_PROGRAMS), corpus, output, against)
    elif metric == "pass":
        asked = Asked(model, endpoint, endpoint_model, completions, reference, chat, against)
        check_asked(chosen, asked, corpus)
        entered = entered_run(output, resume, "metrics.json", chosen.verdict_changes, "samples.jsonl")
        # Samples cost time where they are made and not read from a file; judgements always do.
        costly = ["details.jsonl"] if completions else ["details.jsonl", "samples.jsonl"]
        with entered, removed_if_refused(output, *costly):
            result = judge_programs(chosen, asked, output, unsafe=unsafe_no_sandbox)
        show_verdict(result, output)
    else:
        raise ConfigError(f"--metric: {metric!r} is not known; use pass, bpb or {', '.join(MEASURE_NAMES)}")


def _given(context: typer.Context, names: Sequence[str]) -> list[str]:
    sources = {f"--{name.replace('_', '-')}": context.get_parameter_source(name) for name in names}
    return [flag for flag, source in sources.items() if source is not None and source.name == "COMMANDLINE"]


def _numbers(flag: str, text: str | None) -> list[int] | None:
    names = split_names(text)
    if names is not None and not all(name.isdecimal() for name in names):
        raise ConfigError(f"{flag}: {text!r} is not a list of numbers such as 1,10")
    return None if names is None else [int(name) for name in names]


def _predictions(
    metric: str,
    recipe: "Recipe",
    model: str | None,
    unfit: list[str],
    corpus: Path | None,
    output: Path,
    against: str | None,
) -> None:
    """Bits per byte, or another measure; `unfit` are flags that were given and say nothing here."""
    instead = " (--learn and --keep choose languages)" if "--languages" in unfit else ""
    refuse_where(
        (not model, f"--model: needed for {metric}, which reads the model's probabilities"),
        (corpus is None, f"--corpus: needed for {metric}, a folder that `multipl-moe corpus` wrote"),
        (metric != "bpb" and against is None, f"--against: needed for {metric}, the base to compare the model with"),
        (unfit, f"{', '.join(unfit)}: only for --metric pass; leave that out{instead}"),
    )
    assert model is not None
    assert corpus is not None

    from multipl_moe.checkpoints.base import resolve_base
    from multipl_moe.eval.measures import MEASURES
    from multipl_moe.eval.models import evaluate_measure, evaluate_model, evaluate_models
    from multipl_moe.runs.folder import record_run
    from multipl_moe.system.allocator import keep_freed_memory

    is_off = metric in MEASURES and not MEASURES[metric].tokens_read(recipe)
    refuse_where((is_off, f"eval.{metric}_share: 0 leaves no text to read; raise it"))
    refuse_existing(output)
    require_folders(corpus=corpus)
    keep_freed_memory()
    folder = resolve_base(model)
    _require_documents(corpus, recipe.languages if metric == "bpb" else recipe.keep)
    with staged_folder(output) as staging:  # before the work: an output that cannot be written is refused at once
        record_run(staging, recipe)
        with working(f"scoring, {metric}") as on_progress:
            if against is None:
                found = evaluate_model(recipe, folder, corpus, on_progress)
            elif metric == "bpb":
                found = evaluate_models(recipe, folder, corpus, against, on_progress)
            else:
                found = evaluate_measure(recipe, metric, folder, corpus, against, on_progress)
        _show_predictions(found)  # before they are written, which a full disk may prevent
        found.write(staging / "metrics.json")


def _require_documents(corpus: Path, languages: Iterable[str]) -> None:
    from multipl_moe.corpus.documents import read_documents

    for language in languages:
        try:
            read_documents(corpus, "validation", language, 0)
        except CorpusError as error:
            raise CorpusError(f"{error}; name them with --learn and --keep, or give --recipe") from None


def _show_predictions(found: "EvaluatedChanges | EvaluatedScores | EvaluatedMeasure") -> None:
    from multipl_moe.eval.measures import findings
    from multipl_moe.eval.outcome import BITS_PER_BYTE_NOTE
    from multipl_moe.report.tables import measure_table, result_table, scores_table
    from multipl_moe.runs.result import EvaluatedChanges, EvaluatedMeasure

    if isinstance(found, EvaluatedMeasure):
        for measure, finding in findings(found):
            console.print(measure_table(measure, finding))
            console.print(finding.sentence)
        return
    is_compared = isinstance(found, EvaluatedChanges)
    if is_compared:
        console.print(found.sentence)
    console.print(BITS_PER_BYTE_NOTE)
    console.print(result_table(found) if is_compared else scores_table(found))
