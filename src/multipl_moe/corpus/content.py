"""What happens to a file's text between its reading and the search for duplicates."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from multipl_moe.corpus.headers import without_licence_header
from multipl_moe.languages import Language
from multipl_moe.recipe import Recipe


class LicenceHeaders(PipelineStep):
    """Leaves out the licence header of each text; the licence itself stays in the metadata.

    Args:
        table: entries of the languages.
    """

    name = "Licence headers"
    type = "🧹 - CLEANER"

    def __init__(self, table: Mapping[str, Language]):
        super().__init__()
        self.table = table

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield all documents."""
        for document in data:
            with self.track_time():
                document.text = without_licence_header(document.text, self.table[document.metadata["language"]])
            yield document


def content_steps(recipe: Recipe, work: Path) -> list[PipelineStep]:
    """The steps in order: filters, and steps that change text.

    Args:
        recipe: its section `corpus` says which steps there are.
        work: folder of the build's intermediate files, where filters write what they drop.
    """
    return [LicenceHeaders(recipe.language_table)] if recipe.corpus.strip_licence_headers else []
