"""`multipl-moe export`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from multipl_moe.cli.app import console, progress_bar
from multipl_moe.cli.options import (
    RecipeFile,
    Settings,
    named_packs,
    parse_bytes,
    recipe_from_flags,
    refuse_where,
    split_names,
)

if TYPE_CHECKING:
    from multipl_moe.export.folder import ExportReport

_DTYPES = ("float32", "bfloat16", "float16")

_Models = Annotated[
    list[Path],
    typer.Argument(help="Folder of the model to export; with --adapter or --switch, packs, each as [NAME=]FOLDER."),
]
_Dtype = Annotated[
    str | None, typer.Option(help="Data type of the exported weights: float32, bfloat16 or float16. [as they are]")
]
_FullExperts = Annotated[
    bool, typer.Option("--full-experts", help="Write low-rank experts out as full ones; --dtype float32 is exact.")
]
_MaxShardSize = Annotated[str | None, typer.Option(help="Maximum size of a weights file, such as 500MB. [5GB]")]
_Native = Annotated[
    bool, typer.Option("--native", help="Write the architecture of transformers that holds the hybrid exactly.")
]
_Merge = Annotated[
    bool, typer.Option("--merge", help="Merge the experts into a dense model of the base's architecture.")
]
_Corpus = Annotated[
    Path | None, typer.Option(help="Corpus folder on which to measure what merging costs; needed with --merge.")
]
_MergeFor = Annotated[
    str | None,
    typer.Option(help="With --merge, languages whose use of the experts decides, comma-separated. [all measured]"),
]
_Gguf = Annotated[bool, typer.Option("--gguf", help="Write the model as GGUF too; a hybrid needs --native or --merge.")]
_Quantise = Annotated[
    str | None,
    typer.Option(help="Quantised GGUF files to write too: any of Q8_0,Q6_K,Q4_K_M, comma-separated; needs --gguf."),
]
_Adapter = Annotated[
    bool, typer.Option("--adapter", help="Write packs of one base as adapters for peft, vLLM, llama.cpp and Ollama.")
]
_Switch = Annotated[
    bool, typer.Option("--switch", help="Write a base and its packs as one GGUF file, which switches them by token.")
]
_Base = Annotated[
    str | None,
    typer.Option(help="With --adapter or --switch, the packs' base: hub id, name or folder. [what pack.json names]"),
]
_Anyway = Annotated[bool, typer.Option("--anyway", help="Write a merged model even if it is not better than the base.")]
_Metrics = Annotated[
    Path | None,
    typer.Option(help="File with the results for the model card: metrics.json, or what eval wrote. [the run's]"),
]


def export(
    models: _Models,
    output: Annotated[Path, typer.Argument(help="Export folder to create.")],
    dtype: _Dtype = None,
    metrics: _Metrics = None,
    adapter: _Adapter = False,
    switch: _Switch = False,
    base: _Base = None,
    native: _Native = False,
    merge: _Merge = False,
    merge_for: _MergeFor = None,
    corpus: _Corpus = None,
    full_experts: _FullExperts = False,
    gguf: _Gguf = False,
    quantise: _Quantise = None,
    max_shard_size: _MaxShardSize = None,
    anyway: _Anyway = False,
    recipe: RecipeFile = None,
    settings: Settings = None,
) -> None:
    """Export a model, with its code, without (--native), dense (--merge) or as GGUF; or packs (--adapter, --switch).

    With --adapter, several packs become adapters of one folder, with commands to load them, and canary.json, by which
    `check` tells whether a server has them on. With --switch they become one file with their base, for llama.cpp, in
    which tokens switch them. With --merge, --recipe names the languages to measure. [the recipe of the model's run]

    Example: `multipl-moe export packs/rust packs/ocaml exports/both --adapter`
    """
    from multipl_moe.runs.provenance import run_recipe_file

    given = {"--native": native, "--merge": merge, "--full-experts": full_experts, "--dtype": dtype, "--recipe": recipe}
    given |= {"--merge-for": merge_for, "--anyway": anyway, "--metrics": metrics, "--corpus": corpus, "--set": settings}
    given |= {"--max-shard-size": max_shard_size, "--gguf": gguf and switch, "--switch": switch and adapter}
    way = _way_of_packs(adapter, switch, given, base, models)
    if way is not None:
        _export_packs(named_packs("pack", [str(folder) for folder in models]), output, base, way, gguf, quantise)
        return
    measured_by = recipe_from_flags(recipe or run_recipe_file(models[0]), settings, {})
    max_shard_bytes = None if max_shard_size is None else parse_bytes(max_shard_size)
    _refuse_wrong_flags(models[0], given, max_shard_bytes)
    import torch

    from multipl_moe.export.folder import ExportSettings, export_model

    chosen = ExportSettings(
        dtype=None if dtype is None else getattr(torch, dtype),
        max_shard_bytes=max_shard_bytes,
        metrics=metrics,
        corpus=corpus,
        recipe=measured_by,
        gguf=gguf,
        quantise=_kinds(quantise),
        full_experts=full_experts,
        native=native,
        merge_for=tuple(split_names(merge_for) or ()),
        anyway=anyway,
    )
    with progress_bar() as (on_step, on_progress):
        report = export_model(models[0], output, chosen, on_step, on_progress)
    _tell(report)


def _way_of_packs(
    adapter: bool, switch: bool, given: dict[str, Any], base: str | None, models: list[Path]
) -> str | None:
    """The flag by which packs are exported, None for a model; raises ConfigError where others do not go with it."""
    way = "--adapter" if adapter else "--switch" if switch else None
    others = [flag for flag, value in given.items() if value]
    refuse_where(
        (way and others, f"{way}: it writes packs as they are; leave {' and '.join(others)} out"),
        (base is not None and not way, "--base: only --adapter and --switch ask for it; leave it out"),
        (not way and models[1:], "model: give one, and a folder to create; --adapter and --switch take several packs"),
    )
    return way


def _export_packs(
    packs: dict[str, Path], output: Path, base: str | None, way: str, gguf: bool, quantise: str | None
) -> None:
    from multipl_moe.packs.adapters import export_adapters
    from multipl_moe.packs.switch import export_switch

    kinds = _kinds(quantise)
    if way == "--switch":
        with progress_bar() as (on_step, _):
            files = export_switch(packs, output, base, kinds, on_step)
        told = f"for llama.cpp: {', '.join(map(str, files))}; {output}/README.md says how its tokens switch packs"
        console.print(told, soft_wrap=True)
        return
    refuse_where((kinds and not gguf, "--quantise: only GGUF files are quantised; add --gguf"))
    with progress_bar() as (on_step, on_progress):
        report = export_adapters(
            packs, output, base, gguf=gguf, quantise=kinds, on_step=on_step, on_progress=on_progress
        )
    for name, canaries in report.canaries.items():
        change = max(one.change for one in canaries)
        console.print(f"{output}/{name}: it moves a likely token by {change:.2f} nats (canary.json)")
    if report.without_gguf is not None:
        console.print(f"no GGUF: {report.without_gguf}", soft_wrap=True)
    console.print(f"commands to load, serve and check them: {output}/README.md", soft_wrap=True)


def _refuse_wrong_flags(model: Path, given: dict[str, Any], max_shard_bytes: int | None) -> None:
    """Raise ConfigError with a line for each flag of a model's export that is wrong, by the values that were given."""
    dtype, metrics, corpus, merge = (given[flag] for flag in ("--dtype", "--metrics", "--corpus", "--merge"))
    of_merge, merge_for = [flag for flag in ("--recipe", "--set") if given[flag]], given["--merge-for"]
    or_else = "add --merge, or leave it out"
    refuse_where(
        (not model.is_dir(), f"model: {model} is not a folder"),
        (corpus is not None and not corpus.is_dir(), f"corpus: {corpus} is not a folder"),
        (dtype not in (None, *_DTYPES), f"--dtype: {dtype!r} is not one of {', '.join(_DTYPES)}"),
        (metrics is not None and not metrics.is_file(), f"--metrics: {metrics} is not a file"),
        (
            merge and not corpus,
            "--merge: needs --corpus FOLDER, on whose held-out files the cost of merging is measured",
        ),
        (corpus and not merge, "--corpus: only --merge measures on it; add that or leave it out"),
        (given["--anyway"] and not merge, f"--anyway: it makes --merge write a model that gains nothing; {or_else}"),
        (of_merge and not merge, f"{' and '.join(of_merge)}: only --merge measures by a recipe; {or_else}"),
        (merge_for is not None and not merge, f"--merge-for: it names the languages of --merge; {or_else}"),
        (merge_for is not None and not split_names(merge_for), "--merge-for: it names no language; leave it out"),
        (max_shard_bytes == 0, f"--max-shard-size: {given['--max-shard-size']!r} is not a size such as 500MB or 2GB"),
        (max_shard_bytes and merge, "--max-shard-size: a merged model is written in files of 5GB; leave it out"),
    )


def _kinds(text: str | None) -> tuple[str, ...]:
    """The kinds of `--quantise`, best first, each once; raises ConfigError for one that there is not."""
    from multipl_moe.export.llama_cpp import QUANTISED

    asked = {kind.strip() for kind in text.split(",")} if text is not None else set()
    unknown = sorted(asked - set(QUANTISED))
    refuse_where((unknown, f"--quantise: {', '.join(map(repr, unknown))} is not one of {', '.join(QUANTISED)}"))
    return tuple(kind for kind in QUANTISED if kind in asked)


def _tell(report: "ExportReport") -> None:
    from multipl_moe.report.tables import result_table

    if report.merge_cost is not None:
        table = result_table(report.merge_cost.from_hybrid)
        console.print(replace(table, title="Bits per byte of the hybrid (before) and of the merged model (after)"))
        console.print(f"Merged, against the base: {report.merge_cost.from_base.sentence}")
    trust = ", trust_remote_code=True" if report.needs_remote_code else ""
    lines = [
        f"{report.output}: {report.num_files} files, {report.num_bytes / 1e9:.2f} GB, "
        f"{str(report.dtype).removeprefix('torch.')}; its model card is README.md",
        "load it: from transformers import AutoModelForCausalLM",
        f'         AutoModelForCausalLM.from_pretrained("{report.output}"{trust})',
    ]
    if report.native is not None:
        lines.insert(1, f"{report.native}, equal to the hybrid: largest difference of a logit {report.difference:.1e}")
    if report.gguf:
        lines.append(f"for llama.cpp: {', '.join(map(str, report.gguf))}")
    for line in lines:
        console.print(line, soft_wrap=True)
