"""The modeling code beside the weights, so that a model loads with nothing but transformers and torch.

transformers runs such code with `trust_remote_code=True`. It copies a file and the files that it names in relative
imports, found by pattern and in one folder, so the modules go there side by side.
"""

import ast
import importlib
import inspect
from importlib.metadata import distribution
from pathlib import Path

from multipl_moe import __version__
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.decoder import MultiplMoeModel
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.transformers_version import require_supported_transformers

CODE_LICENCE_FILE = "LICENSE-multipl-moe"
_PACKAGES = ("multipl_moe", "multipl_judge")  # the second has the roots of the first's exceptions
_VERSION_MODULE = require_supported_transformers.__module__
_CLASSES = {
    "AutoConfig": MultiplMoeConfig,
    "AutoModel": MultiplMoeModel,
    "AutoModelForCausalLM": MultiplMoeForCausalLM,
}
_HEADER = "# Copied from multipl-moe {version}, {module}, imports made relative; Apache-2.0, see {licence}."
# Ahead of the other imports of each file that transformers begins with, which fail with another version less clearly.
_CHECK = "from .{stem} import require_supported_transformers as _require; _require()  # multipl-moe's export"


def auto_map() -> dict[str, str]:
    """`auto_map` of config.json: where transformers' auto classes find ours."""
    return {name: f"{_file_stem(cls.__module__)}.{cls.__name__}" for name, cls in _CLASSES.items()}


def modeling_modules() -> list[str]:
    """Modules of this package and the judge's that modeling and configuration need, themselves included, sorted."""
    found: set[str] = set()
    waiting = [_VERSION_MODULE, *(cls.__module__ for cls in _CLASSES.values())]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(node.module or "" for node in _package_imports(_source(module)))
    assert len({_file_stem(module) for module in found}) == len(found), "two modules would be one file"
    return sorted(found)


def write_code(folder: Path) -> None:
    """Write the modules and their licence into a model's folder; those loaded first check transformers' version."""
    begun_with = {cls.__module__ for cls in _CLASSES.values()}
    for module in modeling_modules():
        header = _HEADER.format(version=__version__, module=module, licence=CODE_LICENCE_FILE)
        if module in begun_with:
            header += "\n" + _CHECK.format(stem=_file_stem(_VERSION_MODULE))
        text = f"{header}\n{with_relative_imports(_source(module))}"
        (folder / f"{_file_stem(module)}.py").write_text(text, encoding="utf-8")
    licence = distribution("multipl-moe").read_text("licenses/LICENSE")
    assert licence is not None, "every wheel carries its licence"
    (folder / CODE_LICENCE_FILE).write_text(licence, encoding="utf-8")


def with_relative_imports(source: str) -> str:
    """The source of a module, for a folder in which all of them lie side by side."""
    lines = source.splitlines(keepends=True)
    for node in _package_imports(source):
        assert node.module is not None
        index, absolute = node.lineno - 1, f"from {node.module} import"
        lines[index] = lines[index].replace(absolute, f"from .{_file_stem(node.module)} import", 1)
    return "".join(lines)


def _package_imports(source: str) -> list[ast.ImportFrom]:
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return [node for node in nodes if (node.module or "").partition(".")[0] in _PACKAGES]


def _source(module: str) -> str:
    return inspect.getsource(importlib.import_module(module))


def _file_stem(module: str) -> str:
    package, _, name = module.partition(".")
    return name.rpartition(".")[2] if package == _PACKAGES[0] else module.replace(".", "_")
