"""Telling licences by their text: a file's, and a repository's by the files at its root."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from licenseclassifier import COVERAGE_THRESHOLD, identify_license

from multipl_moe.licences import joined, standard_expression

# Of the files at a root: LICENSE, LICENCE.txt, COPYING.LESSER, LICENSE-MIT, MIT-LICENSE, UNLICENSE.
_NAME = re.compile(
    r"(?:(?:(?:un)?licen[cs]e|copying|copyright)(?:[-.][\w.-]+)?|[\w.]+[-_]licen[cs]e(?:\.\w+)?)"
    r"(?<!\.(?:py|go|rs|rb|js|ts|cc|sh))(?<!\.[ch])(?<!\.(?:hpp|cpp|yml|xml|svg|png))(?<!\.(?:java|json|yaml|toml|html))",
    re.IGNORECASE,
)
_MAX_BYTES = 200_000


def licences_in_text(text: str, part: float = COVERAGE_THRESHOLD / 100) -> list[str]:
    """SPDX ids of the licences whose texts or notices stand in a text, in their order, each once.

    Args:
        text: of a licence file, or comments.
        part: share of the text that has to be licence, in (0, 1]: below it nothing is found.
    """
    ids = dict.fromkeys(match.id for match in identify_license(text, coverage_threshold=100 * part))
    # The GNU licences end with the notice to put into files, "version N or any later": that is no second licence.
    ids = [name for name in ids if name.removesuffix("-or-later") not in ids or not name.endswith("-or-later")]
    return list(dict.fromkeys(standard_expression(name) or name for name in ids))


def is_licence_name(name: str) -> bool:
    """Whether a file of this name, at the root of a repository, states its licence."""
    return _NAME.fullmatch(name) is not None


def repository_licence(names: Iterable[str], open_file: Callable[[str], IO[bytes]]) -> str | None:
    """SPDX expression of a repository's licence, by the licence files at its root; None where none is known.

    Files of several licences beside each other offer a choice (LICENSE-MIT, LICENSE-APACHE), several in one file all
    apply. The texts of the GNU licences do not tell "only" from "or later": the narrower is taken.

    Args:
        names: of the files at the root; others are passed over.
        open_file: opens one of them; those that cannot be read count as absent.
    """
    found: list[str] = []
    for name in sorted(filter(is_licence_name, names)):
        try:
            with open_file(name) as stream:
                text = stream.read(_MAX_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        if licence := joined(licences_in_text(text)):
            found.append(licence)
    # COPYING.LESSER is a supplement to the GPL beside it.
    lesser = [licence for licence in found if licence.startswith("LGPL-3")]
    return joined([licence for licence in found if not (lesser and licence.startswith("GPL-3"))], "OR")


def folder_licence(root: Path) -> str | None:
    """SPDX expression of the licence of a folder or work tree, by the licence files in it; None where none is known."""
    names = [path.name for path in root.iterdir() if path.is_file()]
    return repository_licence(names, lambda name: (root / name).open("rb"))
