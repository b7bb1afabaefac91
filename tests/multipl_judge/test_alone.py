"""The package works where no library but those that its page names can be imported, and as the page shows."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

_PAGE = (Path(__file__).parents[2] / "docs" / "judge.md").read_text(encoding="utf-8")
_NEEDED = {"psutil", "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
_ALONE = """
import importlib, pkgutil, sys
from importlib.abc import MetaPathFinder

class Refusal(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in {refused!r}:
            raise ModuleNotFoundError(fullname)

sys.meta_path.insert(0, Refusal())
for name in ("torch", "transformers", "multipl_moe"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        continue
    raise AssertionError(name)
import multipl_judge
found = [module.name for module in pkgutil.walk_packages(multipl_judge.__path__, "multipl_judge.")]
assert len(found) > 60, found
for name in found:
    importlib.import_module(name)
"""


def test_every_module_is_imported_and_programs_are_judged_with_nothing_else_installed(bubblewrap, tmp_path):
    refused = sorted({*packages_distributions(), "multipl_moe"} - {*_NEEDED, "multipl_judge"})
    blocks = re.findall(r"^```(python|text)\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)
    shown = {kind: "".join(text for of, text in blocks if of == kind) for kind in ("python", "text")}
    code = _ALONE.format(refused=refused) + shown["python"]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(shown["text"].splitlines()) != []
