"""What happens to a file's text between its reading and the search for duplicates."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from multipl_moe.corpus.clean.generated import GeneratedFiles
from multipl_moe.corpus.clean.minified import MinifiedFiles
from multipl_moe.corpus.clean.replace_secrets import ReplaceSecrets
from multipl_moe.corpus.clean.vendored import VendoredFiles
from multipl_moe.corpus.decontamination.filter import Decontaminate
from multipl_moe.corpus.decontamination.index import BenchmarkIndex
from multipl_moe.corpus.dropped import dropped_writer
from multipl_moe.corpus.licences.header_removal import without_licence_header
from multipl_moe.corpus.licences.licence_filter import LicenceFilter
from multipl_moe.languages.table import Language
from multipl_moe.recipe.recipe import Recipe


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


def content_steps(recipe: Recipe, work: Path, benchmarks: BenchmarkIndex) -> list[PipelineStep]:
    """The steps in order: filters, and steps that change text.

    Marks of generated files and licences may stand in the header, so what leaves it out comes after.

    Args:
        recipe: its section `corpus` says which steps there are.
        work: folder of the build's intermediate files, where filters write what they drop.
        benchmarks: whose problems files may not hold.
    """
    corpus = recipe.corpus
    licences = corpus.licences
    steps: list[PipelineStep] = []
    if "vendored" in corpus.drop:
        steps.append(VendoredFiles(dropped_writer(work, "vendored")))
    if "generated" in corpus.drop:
        steps.append(GeneratedFiles(recipe.language_table, dropped_writer(work, "generated")))
    steps.append(LicenceFilter(licences.allow, licences.deny, licences.unknown, dropped_writer(work, "licence")))
    if "minified" in corpus.drop:
        steps.append(MinifiedFiles(recipe.language_table, dropped_writer(work, "minified")))
    if corpus.strip_licence_headers:
        steps.append(LicenceHeaders(recipe.language_table))
    if corpus.replace_secrets:
        steps.append(ReplaceSecrets())
    steps.append(Decontaminate(benchmarks, recipe.language_table, dropped_writer(work, "decontamination")))
    return steps
