"""`multipl-moe doctor`."""

from typing import Annotated

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import Unsafe, split_names
from multipl_moe.errors import ConfigError


def doctor(
    languages: Annotated[str | None, typer.Option(help="Only these, with commas. [all that can be judged]")] = None,
    unsafe_no_sandbox: Unsafe = False,
) -> None:
    """Tell what this machine has: versions, memory, and for each language whether its programs can be judged.

    Each toolchain judges a right program, a wrong one and one that leaves before its tests, in the sandbox. Ends with
    exit code 1 where a language cannot be judged.

    Example: `multipl-moe doctor --languages rust,go`
    """
    from multipl_moe.judge.preflight import preflight
    from multipl_moe.judge.toolchains import TOOLCHAINS
    from multipl_moe.report.doctor import environment_table, languages_table
    from multipl_moe.versions import environment

    chosen = split_names(languages) or list(TOOLCHAINS)
    if unknown := [name for name in chosen if name not in TOOLCHAINS]:
        raise ConfigError(f"--languages: {', '.join(unknown)} not known; known: {', '.join(TOOLCHAINS)}")
    console.print(environment_table(environment()))
    with console.status("trying the toolchains"):
        checks = preflight(chosen, unsafe=unsafe_no_sandbox)
    console.print(languages_table(checks))
    if any(check.problem is not None for check in checks.values()):
        raise typer.Exit(1)
