"""lm_eval reads an export, and asks the server and the front, offline, by docs/serving.md's commands."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from multipl_moe.export.folder import ExportSettings, export_model
from multipl_moe.packs.adapters import export_adapters
from tests.packs.test_adapters import two_packs

from .conftest import MAX_POSITIONS, NAME, client_of, load_served, save_model, served, served_by_command

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "serving.md"


def commands() -> list[str]:
    """The page's commands of lm_eval."""
    return [line.strip() for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("    lm_eval ")]


def results(command: str, output: Path) -> dict[str, Any]:
    """What one command measures, sample by sample: metrics, and the answers of the model."""
    arguments = [*shlex.split(command)[1:], "--log_samples", "--output_path", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "lm_eval", *arguments],
        cwd=HERE,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(output / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (scores,) = output.rglob("results_*.json")
    told = {"metrics": json.loads(scores.read_text())["results"]}
    for samples in output.rglob("samples_*.jsonl"):
        lines = [json.loads(line) for line in samples.read_text().splitlines()]
        told[samples.name.split("_")[1]] = {line["doc_id"]: line["filtered_resps"] for line in lines}
    return told


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lm_eval")
    export_model(save_model(folder / "model", "causal"), folder / "hybrid", ExportSettings())
    return folder / "hybrid"


@pytest.mark.extended
def test_the_commands_of_the_page_measure_the_same_from_the_export_and_from_the_server(export, tmp_path):
    by_itself, by_server, _ = commands()
    read = results(by_itself.replace("exports/hybrid", str(export)), tmp_path / "read")
    with served(*load_served(export)) as url:
        asked = by_server.replace("exports/hybrid", str(export)).replace("http://127.0.0.1:8000/v1", url)
        asked = asked.replace("model=hybrid", f"model={NAME}").replace("max_length=8192", f"max_length={MAX_POSITIONS}")
        answered = results(asked, tmp_path / "answered")
    assert read["write"] == answered["write"]
    assert any(len(text) < 24 for (text,) in read["write"].values())  # one at least ends at a stop string
    assert any(text for (text,) in read["write"].values())
    assert len(read["choose"]) == len(read["write"]) == 4
    for number, choices in read["choose"].items():
        for (score, is_greedy), (other_score, is_other_greedy) in zip(choices, answered["choose"][number], strict=True):
            assert float(score) == pytest.approx(float(other_score), abs=1e-3)
            assert is_greedy == is_other_greedy
    assert read["metrics"]["choose"]["acc,none"] == answered["metrics"]["choose"]["acc,none"]


@pytest.mark.extended
def test_the_command_for_the_front_gets_what_it_answers(tmp_path):
    *_, by_front = commands()
    base, packs = two_packs(tmp_path, "llama")
    export_adapters(packs, tmp_path / "both", str(base), gguf=True)
    with served_by_command([str(tmp_path / "both"), "--engine", "llama-server"], tmp_path / "log") as url:
        asked = by_front.replace("http://127.0.0.1:8000/v1", url).replace("BASE", str(base))
        written = results(asked.replace("max_length=2048", "max_length=128"), tmp_path / "answered")["write"]
        questions = json.loads((HERE / "tasks" / "questions.json").read_text())
        for number, row in enumerate(questions):
            options = {"model": "auto", "max_tokens": 24, "temperature": 0, "stop": ["G0", "?!", "\n"]}
            answer = client_of(url).completions.create(prompt=row["question"], **options)
            assert written[number] == [answer.choices[0].text]
    assert any(text for (text,) in written.values())
