"""Leaving out files whose licence a recipe does not allow."""

import re
from typing import Literal

from datatrove.data import Document

from multipl_moe.spdx import UNKNOWN, LicencePolicy, joined, standard_expression

_HEAD_CHARACTERS = 6000
_TAG = re.compile(r"^[^\w\n\"'`]*(?:dnl |rem )?SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+\-() \t]+)", re.I | re.M)


def tagged_licence(text: str) -> str | None:
    """SPDX expression of the SPDX-License-Identifier lines at the beginning of a file; None where there are none.

    Several such lines all apply, as REUSE has it. Only lines that begin with it, comment marks aside, count.
    """
    tags = (match[1].strip(" \t-") for match in _TAG.finditer(text[:_HEAD_CHARACTERS]))
    return joined(standard_expression(tag) or tag for tag in tags if tag)


def refused_licence(policy: LicencePolicy, unknown: Literal["keep", "drop"], document: Document) -> str | None:
    """Settle a document's licence; gives it where the document has to be left out for it.

    The file's own SPDX tags count before what came with it (its row, repository or source); the result, an SPDX
    expression where it is one, is put into metadata["licence"]. So this has to come before licence headers are left
    out. `unknown` says what becomes of files whose licence is not known or not in SPDX.
    """
    given = document.metadata.get("licence") or UNKNOWN
    licence = tagged_licence(document.text) or standard_expression(given) or given
    document.metadata["licence"] = licence
    permitted = policy.permits(licence)
    return None if permitted or (permitted is None and unknown == "keep") else licence
