"""Which tests run, and in what order: a pytest plugin that tests/conftest.py loads."""

import os
from pathlib import Path

import pytest

BENCH_VARIABLE = "MULTIPL_MOE_BENCH"
# The files that take longest. They come first, or one process would still be at one of them when the others are done.
_LONGEST = (
    "benchmarks/test_scripts.py",
    "model/test_compiled.py",
    "serve/test_lm_eval.py",
    "eval/test_humaneval_x.py",
    "train/test_kill.py",
    "corpus/run/test_executors.py",
    "train/test_data_parallel.py",
    "demo/test_steps.py",
    "multipl_judge/judge/test_evil.py",
    "test_startup.py",
    "multipl_judge/problems/test_starter_set.py",
    "demo/test_practice.py",
    "cli/test_evaluate.py",
    "cli/test_tutorial.py",
    "multipl_judge/problems/forms/test_programs.py",
    "train/test_trainer.py",
    "cli/test_serve_adapters.py",
    "multipl_judge/judge/test_judge.py",
    "train/test_processes.py",
    "compare/test_session.py",
    "explore/test_page.py",
    "cli/test_compare.py",
    "train/test_sharding.py",
    "export/test_standalone.py",
)
_LEFT_OUT = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def bench() -> Path:
    """The folder with third parties' benchmark files; only for tests that are marked `third_party`."""
    folder = Path(os.environ[BENCH_VARIABLE])
    assert folder.is_dir(), f"{BENCH_VARIABLE}: {folder} is not a folder"
    return folder


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long files first; without the folder, deselect the tests that need it.

    Last of all plugins, so that of these tests only those are counted which -m and -k left.
    """
    place = {Path(__file__).parent / name: index for index, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))
    if os.environ.get(BENCH_VARIABLE):
        return
    left_out = [item for item in items if item.get_closest_marker("third_party")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("third_party")]
    config.stash[_LEFT_OUT] = len(left_out)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell pytest-xdist's main process, which collects nothing itself."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(_LEFT_OUT, 0)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    """Take the number from a worker; all collect the same tests."""
    node.config.stash[_LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line on the tests that were left out."""
    if number := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(
            f"{number} tests left out: they read HumanEval-X and MultiPL-E, which are not part of this project. To run "
            f"them, get the files (CONTRIBUTING.md says how) and set {BENCH_VARIABLE} to their folder."
        )
