"""Leaving out files whose licence a recipe does not allow."""

import re
from typing import Literal

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter

from multipl_moe.spdx import UNKNOWN, LicencePolicy, joined, standard_expression

_HEAD_CHARACTERS = 6000
_TAG = re.compile(r"^[^\w\n\"'`]*(?:dnl |rem )?SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+\-() \t]+)", re.I | re.M)


def tagged_licence(text: str) -> str | None:
    """SPDX expression of the SPDX-License-Identifier lines at the beginning of a file; None where there are none.

    Several such lines all apply, as REUSE has it. Only lines that begin with it, comment marks aside, count.
    """
    tags = (match[1].strip(" \t-") for match in _TAG.finditer(text[:_HEAD_CHARACTERS]))
    return joined(standard_expression(tag) or tag for tag in tags if tag)


class LicenceFilter(BaseFilter):
    """Settles each document's licence, and drops those that the lists do not allow; the reason is `licence`.

    The file's own SPDX tags count before what came with it (its row, repository or source); the result, an SPDX
    expression where it is one, is put into metadata["licence"] and is the detail of a dropped document. It has to come
    before licence headers are left out. `allow` and `deny` are as in `LicencePolicy`; `unknown` says what becomes of
    files whose licence is not known or not in SPDX.
    """

    name = "Licences"

    def __init__(
        self,
        allow: list[str] | None = None,
        deny: list[str] | None = None,
        unknown: Literal["keep", "drop"] = "keep",
        exclusion_writer: DiskWriter | None = None,
    ):
        super().__init__(exclusion_writer)  # pyright: ignore[reportArgumentType]
        self.policy = LicencePolicy(allow, deny or ())
        self.unknown = unknown

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Keep the document if its licence is allowed."""
        given = doc.metadata.get("licence") or UNKNOWN
        licence = tagged_licence(doc.text) or standard_expression(given) or given
        doc.metadata["licence"] = licence
        permitted = self.policy.permits(licence)
        if permitted or (permitted is None and self.unknown == "keep"):
            return True
        doc.metadata["detail"] = licence
        return False, "licence"
