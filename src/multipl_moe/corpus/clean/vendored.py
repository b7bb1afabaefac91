"""Leaving out other projects' code that a project carries along.

Copies of well-known libraries come with thousands of projects: a model would learn them by heart instead of the
language, and a held-out file would often be one that was trained on.
"""

import re

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter

_SOURCE_PARTS = 2  # a path begins with the name of its source, which may itself lie below a folder called vendor
# Folders of package managers, whatever lies in them.
_MANAGED = re.compile(
    r"node_modules|bower_components|jspm_packages|site-packages|dist-packages|\.bundle|\.yarn|Godeps|Pods|Carthage",
)
# Names that projects choose. As some call their own hardware or API vendors' modules so (Rust's core_simd/src/vendor/
# x86.rs), only what lies in a folder of its own below counts.
_CHOSEN = re.compile(r"_?vendor(s|ed)?|(third|3rd)[-_]?party|_bundled|extlibs?|subprojects", re.IGNORECASE)
# Single files that are copied from project to project.
_FILES = re.compile(
    r"cpplint\.py|ez_setup\.py|get-pip\.py|versioneer\.py|stb_\w+\.h(pp)?|catch(_amalgamated)?\.hpp|sqlite3\.[ch]"
    r"|(jquery|bootstrap|angular|react|d3|modernizr|mootools|prototype|ckeditor|tiny_mce)([-.][\w.-]+)?\.(js|css)",
    re.IGNORECASE,
)


def vendored_part(path: str) -> str | None:
    """The part of a document's path (the name of its source in front) that shows it to be vendored, if one does."""
    *folders, name = path.split("/")[_SOURCE_PARTS:] or [""]
    for index, folder in enumerate(folders):
        if _MANAGED.fullmatch(folder) or (_CHOSEN.fullmatch(folder) and index + 1 < len(folders)):
            return folder
    return name if _FILES.fullmatch(name) else None


class VendoredFiles(BaseFilter):
    """Drops files of other projects, told by their path; the reason is `vendored`, the detail the telling part."""

    name = "Vendored files"

    def __init__(self, exclusion_writer: DiskWriter | None = None):
        super().__init__(exclusion_writer)  # pyright: ignore[reportArgumentType]

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Keep the document unless it is vendored."""
        part = vendored_part(doc.metadata["path"])
        if part is None:
            return True
        doc.metadata["detail"] = part
        return False, "vendored"
