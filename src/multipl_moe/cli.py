"""The command line: `multipl-moe VERB`. It parses, calls and prints; computation lives elsewhere.

What only some commands need is imported inside them.
"""

import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from multipl_moe.errors import ConfigError, OutputError, UserError

if TYPE_CHECKING:
    from multipl_moe.recipe import Recipe

_EXIT_USER_ERROR = 2
_EXIT_INTERRUPTED = 130
_AFTER_INTERRUPT = {
    "demo": "the same command goes on where it stopped",
    "train": "the same command with --resume goes on from the last checkpoint",
}

app = typer.Typer(
    name="multipl-moe",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Teach an existing code LLM new programming languages without making it forget the ones it knows.\n\n"
    "A dense model becomes a hybrid mixture of experts; only the new parameters learn. Start with `multipl-moe demo`.",
)

RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="YAML file with any of the settings; flags go on top of it.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting of a recipe, such as train.learning_rate=1e-3."),
]
Base = Annotated[
    str | None, typer.Option(help="Base model: hub id, folder, GGUF file, or smollm2-135m (from PyPI). [smollm2-135m]")
]
Preset = Annotated[
    str | None, typer.Option(help="Hybrid layer: causal, paper, token-only, segment-only or moe-lpr. [causal]")
]
Layers = Annotated[str | None, typer.Option(help="Hybrid layers: all, last:N, every:N or indices like 3,7,11. [all]")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything that is drawn. [0]")]
Learn = Annotated[str | None, typer.Option(help="Languages to learn, with commas. [rust,go,ruby]")]
Keep = Annotated[str | None, typer.Option(help="Languages to keep, with commas. [python,java,cpp,english]")]

_console = Console()
_errors = Console(stderr=True)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from multipl_moe import __version__

        _console.print(f"multipl-moe {__version__}", highlight=False)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Run folder to create, or to go on in.")] = Path("runs/demo"),
    minutes: Annotated[float, typer.Option(min=1, help="Computing time for the whole demo, downloads apart.")] = 15,
    exact: Annotated[
        bool, typer.Option("--exact", help="Train on the recipe's train.tokens instead of fitting --minutes.")
    ] = False,
    recipe: RecipeFile = None,
    settings: Settings = None,
    seed: Seed = None,
) -> None:
    """The whole road: base model, corpus, hybrid, training, and a report of what was gained and kept.

    Uses SmolLM2-135M and the standard libraries of the installed toolchains, so it needs no model hub. An interrupted
    demo goes on where it stopped when started again.

    Example: `multipl-moe demo --minutes 15`
    """
    from multipl_moe.allocator import keep_freed_memory
    from multipl_moe.demo import Demo, demo_recipe, without_missing_languages

    keep_freed_memory()
    chosen = _recipe(recipe, settings, {"seed": seed}, defaults=demo_recipe(minutes))
    chosen = without_missing_languages(chosen, _console)
    Demo(chosen, output, None if exact else minutes, _console).run()


@app.command()
def corpus(
    output: Annotated[Path, typer.Argument(help="Corpus folder to create.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="A folder, git work tree, .jsonl or .parquet file, or `toolchains`; may be repeated. [toolchains]"
        ),
    ] = None,
    recipe: RecipeFile = None,
    settings: Settings = None,
    base: Base = None,
    learn: Learn = None,
    keep: Keep = None,
    seed: Seed = None,
) -> None:
    """Collect source files: by language, without duplicates, split, tokenised and packed.

    Example: `multipl-moe corpus corpora/mine --source ~/src/project --learn rust --keep python`
    """
    from multipl_moe.corpus.pipeline import build_corpus
    from multipl_moe.report.tables import corpus_table
    from multipl_moe.staging import refuse_existing
    from multipl_moe.upcycle.base import resolve_base

    flags = {"base": base, "learn": _names(learn), "keep": _names(keep), "seed": seed}
    chosen = _recipe(recipe, settings, flags | {"corpus.sources": _sources(source)})
    refuse_existing(output)
    manifest = build_corpus(chosen, resolve_base(chosen.base), output, _console.print)
    _console.print(corpus_table(manifest))


@app.command()
def upcycle(
    output: Annotated[Path, typer.Argument(help="Hybrid checkpoint to create.")],
    recipe: RecipeFile = None,
    settings: Settings = None,
    base: Base = None,
    preset: Preset = None,
    layers: Layers = None,
    seed: Seed = None,
) -> None:
    """Turn a dense base into a hybrid mixture of experts, and prove that it starts where the base is.

    Example: `multipl-moe upcycle runs/hybrid --base smollm2-135m --layers last:8`
    """
    from rich.progress import Progress

    from multipl_moe.upcycle.convert import upcycle as convert

    flags = {"base": base, "moe.preset": preset, "moe.layers": _layers(layers), "seed": seed}
    chosen = _recipe(recipe, settings, flags)
    with Progress(console=_console, transient=True) as progress:
        task = progress.add_task("writing")
        report = convert(chosen, output, lambda done, total: progress.update(task, completed=done, total=total))
    counts = report.parameters
    _console.print(
        f"{output}: {counts.total:,} parameters, {counts.active:,} active per token, {counts.trained:,} to train",
        highlight=False,
    )
    if (verification := report.verification) is None:
        _console.print("logits not compared with the base's: " + report.why_unverified, highlight=False)
    else:
        promise = (
            "must be 0 but for rounding" if verification.must_be_exact else "not meant to be 0 with these settings"
        )
        _console.print(
            f"largest difference of a logit from the base's: {verification.max_difference:.2e} ({promise})",
            highlight=False,
        )


@app.command()
def train(
    model: Annotated[Path, typer.Argument(help="Hybrid checkpoint that `upcycle` wrote.")],
    corpus: Annotated[Path, typer.Argument(help="Corpus folder that `corpus` wrote.")],
    output: Annotated[Path, typer.Argument(help="Run folder to create.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the run folder.")] = False,
    recipe: RecipeFile = None,
    settings: Settings = None,
    learn: Learn = None,
    keep: Keep = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Tokens to train on. [300000]")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate. [0.001]")] = None,
    seed: Seed = None,
) -> None:
    """Stage 1: experts and routers learn the new languages; every other parameter stays as it is, bit for bit.

    Ctrl-C saves a checkpoint and stops; `--resume` goes on from it.

    Example: `multipl-moe train runs/hybrid corpora/mine runs/first --tokens 300000 --learning-rate 2e-3`
    """
    from multipl_moe.allocator import keep_freed_memory
    from multipl_moe.recipe import load_recipe
    from multipl_moe.report.tables import audit_table
    from multipl_moe.run_folder import open_run
    from multipl_moe.train.callbacks import INTERRUPT_NOTE
    from multipl_moe.train.progress import TrainingProgress
    from multipl_moe.train.settings import tokens_per_step
    from multipl_moe.train.stages import Audit
    from multipl_moe.train.trainer import train_stage1

    flags: dict[str, Any] = {"learn": _names(learn), "keep": _names(keep), "seed": seed}
    flags |= {"train.tokens": tokens, "train.learning_rate": learning_rate}
    chosen = _recipe(recipe, settings, flags)
    if output.exists() and not resume:
        raise OutputError(f"output: {output} exists; choose another folder, or go on with --resume")
    if (output / "training.json").exists():
        raise OutputError(f"output: {output} holds a finished run; choose another folder")
    if (output / "recipe.yaml").exists() and load_recipe(output / "recipe.yaml") != chosen:
        raise OutputError(f"output: {output} holds a run of another recipe; go on with its own, {output}/recipe.yaml")
    _require_folders(model=model, corpus=corpus)

    def begin(audit: Audit) -> None:
        open_run(output, chosen)
        _console.print(audit_table(audit))

    keep_freed_memory()
    with TrainingProgress(output, tokens_per_step(chosen), _console) as progress:
        result = train_stage1(
            chosen,
            model,
            corpus,
            output,
            callbacks=[progress],
            on_audit=begin,
            on_interrupt=lambda: _console.print(INTERRUPT_NOTE),
        )
    _console.print(f"{result.tokens:,} tokens in {result.seconds:.0f} s; model: {result.model_folder}", highlight=False)
    _console.print(f"no frozen parameter changed (SHA-256 {result.frozen_sha256[:16]}…)", highlight=False)


@app.command("eval")
def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of the model to evaluate, hybrid or dense.")],
    corpus: Annotated[Path, typer.Argument(help="Corpus folder whose held-out files are read.")],
    output: Annotated[Path, typer.Argument(help="JSON file to create.")],
    against: Annotated[
        str | None, typer.Option(help="Model to compare with: hub id, folder, GGUF file or smollm2-135m.")
    ] = None,
    metric: Annotated[str, typer.Option(help="What to measure: bpb, bits per byte.")] = "bpb",
    recipe: RecipeFile = None,
    settings: Settings = None,
    learn: Learn = None,
    keep: Keep = None,
    seed: Seed = None,
) -> None:
    """Bits per byte by language on held-out files; with --against, the change and its 95% interval.

    Example: `multipl-moe eval runs/first/model corpora/mine runs/bpb.json --against smollm2-135m`
    """
    from multipl_moe.allocator import keep_freed_memory
    from multipl_moe.eval.compare import evaluate_models
    from multipl_moe.report.tables import result_table, scores_table
    from multipl_moe.run_folder import write_json
    from multipl_moe.staging import refuse_existing

    if metric != "bpb":
        raise ConfigError(f"--metric: {metric!r} is not known; use bpb")
    chosen = _recipe(recipe, settings, {"learn": _names(learn), "keep": _names(keep), "seed": seed})
    refuse_existing(output)
    _require_folders(model=model, corpus=corpus)
    keep_freed_memory()
    with _console.status("scoring"):
        metrics = evaluate_models(chosen, model, corpus, against)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output, metrics)
    _console.print(result_table(metrics) if against is not None else scores_table(metrics))


def main() -> None:
    """Run the command line: bad input is one line and exit code 2, Ctrl-C exit code 130."""
    try:
        _quieten_libraries()
        code = app(prog_name="multipl-moe", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f"; see `{context.command_path} --help`" if context else ""
        code = _refuse(f"{error.format_message().rstrip('.')}{hint}")
    except (KeyboardInterrupt, typer.Abort):
        code = _EXIT_INTERRUPTED
    except ConfigError as error:
        code = _refuse(*error.problems)
    except UserError as error:
        code = _refuse(str(error))
    if code == _EXIT_INTERRUPTED:
        verb = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
        _errors.print(f"interrupted; {_AFTER_INTERRUPT.get(verb, 'nothing was written')}", style="yellow")
    sys.exit(code)


def _refuse(*problems: str) -> int:
    for problem in problems:
        line = " ".join(problem.split())  # transformers' messages, which some of ours quote, have several lines
        _errors.print(f"error: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    return _EXIT_USER_ERROR


def _recipe(
    file: Path | None, settings: list[str] | None, flags: dict[str, Any], defaults: dict[str, Any] | None = None
) -> "Recipe":
    from multipl_moe.recipe import load_recipe, parse_value

    overrides = dict(flags)
    for setting in settings or []:
        key, separator, value = setting.partition("=")
        if not separator or not key:
            raise ConfigError(f"--set: {setting!r} is not KEY=VALUE")
        overrides[key] = parse_value(value)
    if file is None:
        overrides = (defaults or {}) | {key: value for key, value in overrides.items() if value is not None}
    return load_recipe(file, overrides)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _layers(text: str | None) -> str | list[int] | None:
    if text is None or not text.replace(",", "").isdecimal():
        return text
    return [int(part) for part in text.split(",") if part]


def _sources(paths: list[str] | None) -> list[dict[str, Any]] | None:
    if not paths:
        return None
    return [_source(path) for path in paths]


def _source(text: str) -> dict[str, Any]:
    path = Path(text)
    if text == "toolchains":
        return {"kind": "toolchains"}
    if path.is_dir():
        return {"kind": "git" if (path / ".git").exists() else "folder", "path": text}
    for kind, endings in {"jsonl": (".jsonl", ".jsonl.gz"), "parquet": (".parquet",)}.items():
        if path.is_file() and path.name.endswith(endings):
            return {"kind": kind, "path": text}
    raise ConfigError(f"--source: {text} is no folder, .jsonl, .jsonl.gz or .parquet file, nor `toolchains`")


def _require_folders(**folders: Path) -> None:
    missing = [f"{name}: {path} is not a folder" for name, path in folders.items() if not path.is_dir()]
    if missing:
        raise ConfigError(missing)


def _quieten_libraries() -> None:
    """Keep the libraries' warnings and bars out of what this program tells."""
    warnings.filterwarnings("ignore")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
