"""Which tests run, and in what order: a pytest plugin that tests/conftest.py loads."""

import os
from pathlib import Path

import pytest

BENCH_VARIABLE = "MULTIPL_MOE_BENCH"
# The files that take longest. They come first, or one process would still be at one of them when the others are done.
_LONGEST = (
    "train/test_data_parallel.py",
    "corpus/run/test_executors.py",
    "multipl_judge/judge/test_evil.py",
    "model/test_compiled.py",
    "demo/test_steps.py",
    "serve/test_front.py",
    "train/test_kill.py",
    "multipl_judge/problems/forms/test_programs.py",
    "cli/test_tutorial.py",
    "demo/test_practice.py",
    "export/test_standalone.py",
    "multipl_judge/judge/test_judge.py",
    "compare/test_session.py",
    "multipl_judge/problems/test_starter_set.py",
    "multipl_judge/judge/test_preflight.py",
    "corpus/test_resume.py",
    "train/test_trainer.py",
    "model/test_hybrid.py",
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
