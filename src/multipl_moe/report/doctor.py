"""What `doctor` found, as tables for the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from multipl_moe.judge.preflight import LanguageCheck
from multipl_moe.languages.table import language_title


def environment_table(environment: dict[str, Any]) -> Table:
    """Machine and versions.

    Args:
        environment: as `versions.environment` returns it.
    """
    table = Table(title="This machine", show_header=False)
    machine = environment["machine"]
    table.add_row("processor", f"{machine['processor']}, {machine['cores']} cores")
    table.add_row("memory", f"{machine['memory_bytes'] / 2**30:.1f} GiB")
    table.add_row("accelerator", machine["accelerator"] or "none")
    table.add_row("python", environment["python"])
    for name, version in environment["packages"].items():
        table.add_row(name, version)
    return table


def languages_table(checks: Mapping[str, LanguageCheck]) -> Table:
    """Each language's toolchain and whether its programs can be judged."""
    table = Table(title="Languages whose programs can be judged")
    table.add_column("language")
    table.add_column("toolchain")
    table.add_column("seconds", justify="right")
    table.add_column("verdict")
    for name, check in checks.items():
        verdict = Text("ready", "green") if check.problem is None else Text(check.problem, "red")
        table.add_row(language_title(name), Text(check.version or "not found"), f"{check.seconds:.1f}", verdict)
    return table
