"""docs/recipe.md is what the schema says."""

import importlib.util
from pathlib import Path
from types import ModuleType

_SCRIPT = Path(__file__).parents[2] / "scripts" / "write_recipe_reference.py"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_recipe_reference", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_all_keys_is_current_and_says_something_of_each():
    script = _script()
    page = script.reference()
    assert script.PAGE.read_text(encoding="utf-8") == page
    assert [line for line in page.splitlines() if line.endswith("|  |")] == []
