"""`multipl-moe practice`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from multipl_moe.cli.app import console, progress_bar
from multipl_moe.cli.options import Learn, RecipeFile, Seed, Settings, Unsafe, Workers, recipe_from_flags, refuse_where
from multipl_moe.system.staging import held_folder

_Output = Annotated[Path, typer.Argument(help="Folder of the practice, to create or to continue.")]
_Model = Annotated[
    str | None,
    typer.Option(help="Model that answers: folder, hub id, GGUF file, or a base by name. [the recipe's]"),
]
_Endpoint = Annotated[
    str | None,
    typer.Option(
        help="Server with OpenAI's interface that answers instead of --model, http://HOST/v1; OPENAI_API_KEY is its "
        "token, if it wants one."
    ),
]
_EndpointModel = Annotated[str | None, typer.Option(help="Name of the model on the --endpoint server.")]
_Chat = Annotated[bool, typer.Option("--chat", help="Ask in the chat template and take the code out of the answer.")]
_Tasks = Annotated[
    list[str] | None,
    typer.Option(
        help="Tasks, named as benchmarks are: NAME:PATH, PATH.jsonl, or functions:PATH for Python functions with "
        "doctests or assertions; may be repeated."
    ),
]
_Trial = Annotated[int | None, typer.Option(min=1, help="Number of tasks to draw at random, to try settings on. [all]")]
_Rounds = Annotated[int | None, typer.Option(min=1, help="Rounds of this model in the folder. [1]")]


def practice(
    output: _Output,
    model: _Model = None,
    endpoint: _Endpoint = None,
    endpoint_model: _EndpointModel = None,
    chat: _Chat = False,
    tasks: _Tasks = None,
    trial: _Trial = None,
    rounds: _Rounds = None,
    workers: Workers = None,
    unsafe_no_sandbox: Unsafe = False,
    recipe: RecipeFile = None,
    settings: Settings = None,
    learn: Learn = None,
    seed: Seed = None,
) -> None:
    """Let a model answer tasks in the languages to learn, run its programs, and keep those that pass, to learn from.

    OUTPUT/kept.jsonl has a row for each answer that is kept, OUTPUT/practice.json what passed. The same command goes
    on where it stopped; with another --model, such as one that has learnt what was kept, or a larger one, it adds
    rounds. If too little passes, it stops, says what to do, and ends with exit code 1.

    Example: `multipl-moe practice runs/lua --model runs/base --tasks multipl-e:lua.jsonl.gz --learn lua --rounds 3`
    """
    flags: dict[str, Any] = {"learn": learn, "seed": seed, "practice.codegen.seed": seed, "programs.workers": workers}
    flags |= {"practice.tasks": tasks or None, "practice.max_tasks": trial, "practice.rounds": rounds}
    chosen = recipe_from_flags(recipe, settings, flags | _answering(model, endpoint, endpoint_model, chat))
    section = chosen.practice
    nobody = not (section.model or section.endpoint)
    refuse_where((nobody, "give --model or --endpoint, or practice.model or practice.endpoint in a recipe"))

    from multipl_moe.eval.eval_set import EvalOptions
    from multipl_moe.practice.journal import PracticeJournal
    from multipl_moe.practice.rounds import practise
    from multipl_moe.practice.sampler import load_sampler, require_sampler
    from multipl_moe.practice.shown import shown_rounds
    from multipl_moe.practice.summary import practice_table
    from multipl_moe.practice.tasks import read_tasks
    from multipl_moe.system.allocator import keep_freed_memory

    keep_freed_memory()
    with held_folder(output):
        PracticeJournal(output)  # refused at once, if at all
        with progress_bar("reading tasks") as (on_step, _):
            options = EvalOptions(unsafe=unsafe_no_sandbox, on_step=on_step)
            task_set = read_tasks(chosen, options, lambda: require_sampler(section, section.model or ""))
            on_step("loading the model")
            completer = load_sampler(section, section.model or "", task_set)
        if task_set.note:
            console.print(task_set.note)
        with shown_rounds(console) as on_progress:
            result = practise(chosen, completer, task_set, output, options, on_progress)
    console.print(practice_table(result))
    if result["advice"]:
        told = "Too little passes" if result["too_few"] else "Stopped"
        console.print(f"{told}: {result['advice']}.", style="yellow")
    console.print(f"what is kept: {output / 'kept.jsonl'}", soft_wrap=True)
    if result["too_few"]:
        raise typer.Exit(1)


def _answering(model: str | None, endpoint: str | None, endpoint_model: str | None, chat: bool) -> dict[str, Any]:
    """What flags say of who answers takes the place of all that a recipe says of it."""
    refuse_where(
        (bool(model and endpoint), "give one of --model and --endpoint"),
        (bool(endpoint) != bool(endpoint_model), "--endpoint, --endpoint-model: both or none"),
    )
    from multipl_moe.recipe.recipe import NULL

    if not (model or endpoint):
        return {"practice.chat": chat or None}
    given = {"practice.model": model, "practice.endpoint": endpoint, "practice.endpoint_model": endpoint_model}
    return {key: value or NULL for key, value in given.items()} | {"practice.chat": chat}
