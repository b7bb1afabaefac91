"""The example goes its whole road."""

import runpy
import sys
from pathlib import Path

_EXAMPLE = Path(__file__).parents[1] / "examples" / "python_api.py"


def test_the_example_teaches_its_tiny_base_rust_and_proves_what_stayed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(_EXAMPLE), "--output", str(tmp_path / "out")])
    names = runpy.run_path(str(_EXAMPLE), run_name="__main__")
    assert names["converted"].verification.passed
    assert names["changes"].languages["rust"].change < -0.05
    assert abs(names["changes"].languages["python"].change) < 0.01
    rust, python = (names["gate"].after(text)["rust"].p for text in names["texts"])
    assert rust > 0.9
    assert python < 0.1
    assert (tmp_path / "out" / "pack" / "adapter_config.json").is_file()
    assert "\npub fn add_" in capsys.readouterr().out
