"""Leaving out files whose licence a recipe does not allow."""

from typing import Literal

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter

from multipl_moe.corpus.licences.licence_headers import header_licence
from multipl_moe.spdx import UNKNOWN, LicencePolicy, standard_expression


class LicenceFilter(BaseFilter):
    """Settles each document's licence, and drops those that the lists do not allow; the reason is `licence`.

    What the file itself says counts before what came with it (its row, repository or source); the result, an SPDX
    expression where it is one, is put into metadata["licence"]. The detail of a dropped document is that expression. It
    has to come before licence headers are left out.

    Args:
        allow, deny: as in `LicencePolicy`.
        unknown: what becomes of files whose licence is not known or not in SPDX.
        exclusion_writer: is given what is dropped.
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
        licence = header_licence(doc.text) or standard_expression(given) or given
        doc.metadata["licence"] = licence
        permitted = self.policy.permits(licence)
        if permitted or (permitted is None and self.unknown == "keep"):
            return True
        doc.metadata["detail"] = licence
        return False, "licence"
