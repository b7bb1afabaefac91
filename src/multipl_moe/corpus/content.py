"""What happens to a file's text between its reading and the search for duplicates."""

from pathlib import Path

from datatrove.pipeline.base import PipelineStep

from multipl_moe.corpus.clean.replace_secrets import ReplaceSecrets
from multipl_moe.corpus.clean.unwritten import Kind, UnwrittenFiles
from multipl_moe.corpus.decontamination.index import BenchmarkIndex, Decontaminate
from multipl_moe.corpus.dropped import dropped_writer
from multipl_moe.corpus.licences.header_removal import LicenceHeaders
from multipl_moe.corpus.licences.licence_filter import LicenceFilter
from multipl_moe.recipe.recipe import Recipe


def content_steps(recipe: Recipe, work: Path, benchmarks: BenchmarkIndex) -> list[PipelineStep]:
    """The steps in order: filters, and steps that change text.

    Marks of generated files and licences may stand in the header, so what leaves it out comes after. Filters write what
    they drop into `work`, the folder of the build's intermediate files.
    """
    corpus, licences, table = recipe.corpus, recipe.corpus.licences, recipe.language_table

    def unwritten(*kinds: Kind) -> list[PipelineStep]:
        return [UnwrittenFiles(kind, table, dropped_writer(work, kind)) for kind in kinds if kind in corpus.drop]

    return [
        *unwritten("vendored", "generated"),
        LicenceFilter(licences.allow, licences.deny, licences.unknown, dropped_writer(work, "licence")),
        *unwritten("minified"),
        *([LicenceHeaders(table)] if corpus.strip_licence_headers else []),
        *([ReplaceSecrets()] if corpus.replace_secrets else []),
        Decontaminate(benchmarks, table, dropped_writer(work, "decontamination")),
    ]
