"""Sources that nothing would be read from are refused; test_bad_inputs.py has those that are broken."""

import pytest

from multipl_moe.corpus.read.checks import require_sources
from multipl_moe.errors import CorpusError
from multipl_moe.recipe.corpus import SourceSection


def test_a_source_of_a_language_that_is_neither_learnt_nor_kept_is_refused(tmp_path):
    (tmp_path / "a.rs").write_text("")
    values = [
        {"kind": "folder", "path": tmp_path, "language": "rust"},
        {"kind": "folder", "path": tmp_path},
        {"kind": "folder", "path": tmp_path, "language": "java"},
        {"kind": "toolchains", "language": "java"},
    ]
    sources = [SourceSection.model_validate(value) for value in values]
    require_sources(sources, ["rust", "java"])
    with pytest.raises(CorpusError) as caught:
        require_sources(sources, ["rust", "python"])
    assert all(
        f"corpus.sources.{place}.language: java is not in learn or keep" in str(caught.value) for place in (2, 3)
    )
