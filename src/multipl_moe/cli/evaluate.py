"""`multipl-moe eval`."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
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
from multipl_moe.errors import ConfigError, CorpusError
from multipl_moe.system.staging import refuse_existing, staged_folder

if TYPE_CHECKING:
    from multipl_moe.recipe.recipe import Recipe
    from multipl_moe.runs.result import EvaluatedChanges, EvaluatedMeasure, EvaluatedScores
    from multipl_moe.runs.verdict import ProgramsResult

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
    sources = {"--model": model, "--endpoint": endpoint, "--completions": completions, "--reference": reference}
    from multipl_moe.runs.result import MEASURE_NAMES

    if metric == "bpb" or metric in MEASURE_NAMES:
        _predictions(metric, chosen, model, _given(context, _OF_PROGRAMS), corpus, output, against)
    elif metric == "pass":
        _check_programs(chosen, sources, corpus, endpoint_model, against, chat)
        entered = entered_run(output, resume, "metrics.json", chosen.verdict_changes, "samples.jsonl")
        # Samples cost time where they are made and not read from a file; judgements always do.
        costly = ["details.jsonl"] if completions else ["details.jsonl", "samples.jsonl"]
        with entered, removed_if_refused(output, *costly):
            result = _programs(chosen, output, against, sources, endpoint_model, chat, unsafe_no_sandbox)
        from multipl_moe.cli.programs import show_verdict

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


def _check_programs(
    recipe: "Recipe",
    sources: Mapping[str, Any],
    corpus: Path | None,
    endpoint_model: str | None,
    against: str | None,
    chat: bool,
) -> None:
    from multipl_moe.codegen.samples import interface_of
    from multipl_moe.eval.tally import require_samples

    asked, is_reference = "chat" if chat else "completions", sources["--reference"]
    before = None if against is None or sources["--completions"] else interface_of(Path(against))
    given = [flag for flag, value in sources.items() if value]
    found = f"not {' and '.join(given)}" if given else "what is to be evaluated?"
    refuse_where(
        (len(given) != 1, f"give one of {', '.join(sources)}; {found}"),
        (corpus is not None, "--corpus: not for --metric pass; leave it out"),
        (bool(sources["--endpoint"]) != bool(endpoint_model), "--endpoint, --endpoint-model: both or none"),
        (
            before not in (None, asked),
            f"--against: {against} holds {before}, and this would be {asked}; ask both models the same way",
        ),
        (chat and is_reference, "--chat: references are no answers of a chat; leave it out"),
        (against is not None and is_reference, "--against: references are compared with nothing; leave it out"),
        (
            recipe.codegen.tell_language == "both" and not sources["--model"],
            "codegen.tell_language: both is about the domain gate of a --model; leave it out",
        ),
    )
    if sources["--completions"] is None:
        require_samples(recipe.programs.pass_at, recipe.codegen.num_samples)


def _programs(
    recipe: "Recipe",
    output: Path,
    against: str | None,
    sources: Mapping[str, Any],
    endpoint_model: str | None,
    chat: bool,
    unsafe: bool,
) -> "ProgramsResult":
    from multipl_moe.cli.programs import completions_of, options_shown
    from multipl_moe.codegen.from_file import require_answers
    from multipl_moe.eval.eval_set import prepare_eval_set
    from multipl_moe.eval.programs import evaluate_programs
    from multipl_moe.eval.references import check_references, prepare_reference_set
    from multipl_moe.runs.decontamination import record_of_model, statuses
    from multipl_moe.runs.folder import open_run
    from multipl_moe.system.allocator import keep_freed_memory

    keep_freed_memory()
    with options_shown(unsafe) as options:
        if sources["--reference"]:
            eval_set = prepare_reference_set(recipe, options)
            open_run(output, recipe)
            return check_references(recipe, eval_set, output, options)
        answered = (file := sources["--completions"]) and partial(require_answers, file)
        eval_set = prepare_eval_set(recipe, options, require=answered)
        completions = completions_of(recipe, sources, endpoint_model, chat, eval_set)
        open_run(output, recipe)
        record = record_of_model(Path(sources["--model"])) if sources["--model"] else None
        completions |= {"against": against and Path(against), "decontamination": statuses(record, eval_set.benchmarks)}
        return evaluate_programs(recipe, eval_set, output=output, options=options, **completions)
