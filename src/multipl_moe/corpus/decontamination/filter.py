"""The step of the corpus pipeline that leaves out files which hold problems of benchmarks."""

from collections.abc import Mapping

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter

from multipl_moe.corpus.decontamination.index import BenchmarkIndex
from multipl_moe.languages.table import LANGUAGES, Language

REASON = "contaminated"
_NAMED_IN_DETAIL = 3


class Decontaminate(BaseFilter):
    """Drops files that hold a part of a benchmark's problem.

    The document's metadata gets `detail`, which names the problems found best. Statistics:
    `dropped/contaminated/LANGUAGE`, and `contaminated/BENCHMARK/PROBLEM` for each problem of a file.

    Args:
        index: what is looked for.
        table: entries of the languages.
        exclusion_writer: gets the files that are dropped.
    """

    name = "🧪 Decontamination"

    def __init__(
        self,
        index: BenchmarkIndex,
        table: Mapping[str, Language] = LANGUAGES,
        exclusion_writer: DiskWriter | None = None,
    ):
        super().__init__(exclusion_writer)  # pyright: ignore[reportArgumentType]  None is datatrove's own default
        self.index, self.table = index, table

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Whether to keep a document."""
        language = doc.metadata["language"]
        matches = self.index.find(doc.text, language, is_code=self.table[language].is_code)
        if not matches:
            return True
        self.stat_update(f"dropped/{REASON}/{language}")
        self.stat_update(*(f"{REASON}/{match.benchmark}/{match.problem}" for match in matches))
        named = ", ".join(map(str, matches[:_NAMED_IN_DETAIL]))
        more = len(matches) - _NAMED_IN_DETAIL
        doc.metadata["detail"] = f"{named} and {more} more" if more > 0 else named
        return False, REASON
