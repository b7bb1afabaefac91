"""`demo`: its exit code says whether a gain was shown."""

from pathlib import Path
from typing import Any

import pytest

from multipl_judge.judge.preflight import LanguageCheck
from multipl_moe.runs.result import Change, Changes
from tests.fixtures import interrupt


@pytest.fixture
def flags(base, sources) -> list[str]:
    """Those that name the base and the folder of sources."""
    return ["--set", f"base={base}", "--set", f"corpus.sources=[{{kind: folder, path: {sources}}}]"]


def _metrics(learn: list[float]) -> Changes:
    low, high = learn
    return Changes(languages={}, means={"learn": Change(change=sum(learn) / 2, interval=(low, high))})


def test_tokens_and_minutes_reach_the_demo_and_without_a_gain_it_ends_with_1(run, flags, monkeypatch):
    made: list[Any] = []
    learnt = iter(([-0.2, -0.1], [-0.1, 0.01]))
    monkeypatch.setattr("multipl_moe.demo.steps.Demo.run", lambda demo: made.append(demo) or _metrics(next(learnt)))
    run("demo", *flags, "--tokens", "61440", "--minutes", "20")
    run("demo", *flags, code=1)
    assert [(demo.recipe.train.tokens, demo.minutes) for demo in made] == [(61_440, 20), (100_352, None)]


def test_what_toolchains_and_errors_say_is_told_as_it_is(run, flags, monkeypatch):
    said = "cannot load [/usr/lib/x.so]; pip install -e '.[benchmarks]'"

    def tell(demo: Any) -> Changes:
        demo._options.on_checks({"rust": LanguageCheck("1.0", 0.1, said)})
        return _metrics([-0.2, -0.1])

    monkeypatch.setattr("multipl_moe.demo.steps.Demo.run", tell)
    assert f"rust: programs are not scored: {said}" in run("demo", *flags).words


@pytest.fixture
def until_planned(run, base, sources, monkeypatch):
    """Starts a demo that is interrupted once the corpus is built; takes where the source is to be, and other flags."""

    def until_planned(*flags: str, source: Path = sources, code: int = 130) -> Any:
        monkeypatch.setattr("multipl_moe.demo.steps.measure_throughput", interrupt)
        settings = f"base={base}", "learn=[rust]", "keep=[python]", f"corpus.sources=[{{kind: folder, path: {source}}}]"
        words = (word for each in settings for word in ("--set", each))
        return run("demo", "--output", "out", *words, *flags, code=code)

    return until_planned


def test_a_slip_and_a_damaged_result_are_mended_in_the_same_folder(until_planned, tmp_path):
    assert "nowhere" in until_planned(source=Path("nowhere"), code=2).err
    until_planned()  # the corpus is built
    assert "another recipe" in until_planned("--seed", "4", code=2).err
    metrics = tmp_path / "out" / "metrics.json"
    metrics.write_bytes(b'{"sentence": "\xff')
    told = until_planned(code=2).err
    assert "out/metrics.json: " in told
    assert "restore or remove it" in told
    metrics.unlink()
    until_planned()
