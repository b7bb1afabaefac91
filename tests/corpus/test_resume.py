"""A build that was killed at any stage and started again ends with the same bytes, and repeats no finished task."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from datatrove.pipeline.dedup import MinhashDedupBuckets

from multipl_moe.corpus import build_corpus, dropped, pipeline, tokens
from multipl_moe.corpus.decontamination.benchmark_check import BenchmarkCheck
from multipl_moe.corpus.duplicates import removal
from multipl_moe.corpus.duplicates.minhash import CodeSignature
from multipl_moe.corpus.read.sources import SourceReader
from multipl_moe.corpus.split import SplitByFile
from multipl_moe.corpus.tokens import LanguageTokenizer
from multipl_moe.errors import OutputError
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.staging import resumable_folder
from tests.fixtures import interrupt

from .conftest import content, on_executor, program, recipe_of, write_files

# Where a build dies, in its order: the owner of a function, its name, and at which of its calls in a process.
DEATHS: dict[str, tuple[Any, str, int]] = {
    "reading": (SourceReader, "_read", 9),
    "copies": (removal, "_write_removals", 1),
    "signing": (CodeSignature, "get_shingles", 9),
    "buckets": (MinhashDedupBuckets, "run", 3),
    "clusters": (removal, "_described", 2),
    "tokenising": (LanguageTokenizer, "_encode", 6),
    "dropped": (dropped, "rows_of", 1),
    "cleaning": (pipeline.shutil, "rmtree", 1),
}


def in_a_fork(recipe: Recipe, tokenizer_folder: Path, output: Path, prepare: Callable[[], None]) -> Any:
    """A build in a process of its own, started, after `prepare` has been called in it."""

    def build() -> None:
        prepare()
        build_corpus(recipe, tokenizer_folder, output)

    process = multiprocessing.get_context("fork").Process(target=build)
    process.start()
    return process


def at_call(owner: Any, name: str, number: int, action: Callable[[], None]) -> None:
    """Call `action` before a function is called for the so-manieth time."""
    original, calls = getattr(owner, name), []

    def counting(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        if len(calls) == number:
            action()
        return original(*args, **kwargs)

    setattr(owner, name, counting)


def tasks_done(folder: Path) -> dict[str, int]:
    """When each finished task of a build was."""
    marks = (folder / "logs").glob("*/completions/*")
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in marks}


def test_a_build_killed_at_every_stage_goes_on_to_the_corpus_of_any_number_of_workers(
    corpus, corpus_recipe, tokenizer_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(tokens, "_BATCH_DOCUMENTS", 4)  # or all would be one batch
    recipe, partial = on_executor(corpus_recipe, workers=3), tmp_path / ".out.partial"
    done: dict[str, int] = {}
    for moment, (owner, name, number) in DEATHS.items():
        process = in_a_fork(recipe, tokenizer_folder, tmp_path / "out", death_at(owner, name, number))
        process.join(60)
        assert process.exitcode == -signal.SIGKILL, moment
        assert list(tmp_path.iterdir()) == [partial], moment
        before, done = done, tasks_done(partial)
        assert before.items() <= done.items(), f"{moment}: done again"
        if moment == "tokenising":
            written, whole = (next((folder / "tokens/train/rust").glob("*.ds")) for folder in (partial, corpus[0]))
            assert 0 < written.stat().st_size < whole.stat().st_size
    messages: list[str] = []
    build_corpus(recipe, tokenizer_folder, tmp_path / "out", messages.append)
    assert messages[0] == "Going on with the build that was stopped"
    assert content(tmp_path / "out") == content(corpus[0])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert tasks_done(tmp_path / "out") == done


def death_at(owner: Any, name: str, number: int) -> Callable[[], None]:
    """Prepares a process to be killed at a call of a function, be it in a worker of its, which goes with it."""

    def prepare() -> None:
        main = os.getpid()

        def die() -> None:
            os.kill(main, signal.SIGKILL)
            time.sleep(60)

        at_call(owner, name, number, die)

    return prepare


def test_kill_9_from_outside_leaves_no_process_behind_that_goes_on_writing(corpus_recipe, tokenizer_folder, tmp_path):
    asleep = tmp_path / "asleep"

    def sleep() -> None:
        asleep.touch()
        time.sleep(60)

    recipe = on_executor(corpus_recipe, workers=2)
    process = in_a_fork(
        recipe, tokenizer_folder, tmp_path / "out", lambda: at_call(CodeSignature, "get_shingles", 9, sleep)
    )
    while not asleep.exists():
        time.sleep(0.02)
        assert process.is_alive()
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    _, left = psutil.wait_procs(children, timeout=5)
    assert not [child for child in left if child.status() != psutil.STATUS_ZOMBIE]


def test_a_problem_added_to_a_benchmark_is_looked_for_in_files_that_were_read_before(
    tokenizer_folder, tmp_path, monkeypatch
):
    for first_seed, suffix in ((0, ".rs"), (50, ".py")):
        write_files(tmp_path / "in", suffix, 3, first_seed)
    rows = [
        json.dumps({"id": name, "language": "rust", "prompt": program(seed, 60), "tests": "x"}) + "\n"
        for name, seed in (("first", 400), ("second", 401))
    ]
    (tmp_path / "in" / "spoiled.rs").write_text(program(7) + program(401, 60))
    mine = tmp_path / "mine.jsonl"
    mine.write_text(rows[0])
    source = {"kind": "folder", "path": str(tmp_path / "in")}
    recipe = recipe_of(source, decontaminate=[str(mine)], near_duplicates=False)
    with monkeypatch.context() as patch:
        patch.setattr(SplitByFile, "_is_held_out", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build_corpus(recipe, tokenizer_folder, tmp_path / "out")
    mine.write_text("".join(rows))
    messages: list[str] = []
    manifest = build_corpus(recipe, tokenizer_folder, tmp_path / "out", messages.append)
    assert messages[0].startswith("Starting anew")
    assert manifest.decontamination["mine"] == BenchmarkCheck("checked", {"second": 1}, 2, 2)
    assert manifest.languages["rust"].dropped["contaminated"] == 1


def test_a_build_does_not_go_on_with_what_another_recipe_or_version_did(
    corpus_recipe, tokenizer_folder, tmp_path, monkeypatch
):
    def interrupt(message: str) -> None:
        messages.append(message)
        raise KeyboardInterrupt

    messages: list[str] = []
    # Each is compared with the first: a build that is stopped before it begins leaves no record
    for seed, installed in ((3, "0.0.8"), (9, "0.0.8"), (3, "0.0.9")):
        monkeypatch.setattr(pipeline, "version", lambda package, installed=installed: installed)
        recipe = corpus_recipe.model_copy(update={"seed": seed})
        with pytest.raises(KeyboardInterrupt):
            build_corpus(recipe, tokenizer_folder, tmp_path / "out", interrupt)
    anew = "Starting anew: the build that was stopped is of another recipe, tokenizer, version or set of benchmarks"
    assert messages[1:] == [anew, anew]


def test_two_builds_of_one_folder_do_not_mix(corpus_recipe, tokenizer_folder, tmp_path):
    held = resumable_folder(tmp_path / "out", lambda folder: False)
    with held, pytest.raises(OutputError, match="is being made by another process"):
        build_corpus(corpus_recipe, tokenizer_folder, tmp_path / "out")
