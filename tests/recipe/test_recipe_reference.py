"""docs/recipe.md is what the schema says."""

import runpy
from pathlib import Path

_SCRIPT = Path(__file__).parents[2] / "scripts" / "write_recipe_reference.py"


def test_the_page_of_all_keys_is_current_and_says_something_of_each():
    script = runpy.run_path(str(_SCRIPT))
    page = script["reference"]()
    assert script["PAGE"].read_text(encoding="utf-8") == page
    assert [line for line in page.splitlines() if line.endswith("|  |")] == []
