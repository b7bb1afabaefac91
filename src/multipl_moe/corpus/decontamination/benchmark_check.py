"""What the search for one benchmark's problems in a corpus found."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import ConfigDict


@dataclass(frozen=True)
class BenchmarkCheck:
    """Whether a corpus was checked for a benchmark's problems, and what was found.

    Attributes:
        status: "unavailable" where the problems could not be had.
        problems: number of files left out, by the problem that they held; a file may have held several.
        problems_searchable: number of problems that were looked for; None in manifests that did not record it, and
            where there were none to be had. In several languages a problem may have one name, and then counts once.
        problems_total: number of problems that the benchmark has, as far as is known.
        too_short: names of problems that were read, but are too short to be told from other text.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    status: Literal["checked", "unavailable"]
    problems: dict[str, int]
    problems_searchable: int | None = None
    problems_total: int | None = None
    too_short: list[str] = field(default_factory=list)
