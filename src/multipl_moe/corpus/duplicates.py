"""What the corpus counts as a duplicate: equal texts, and texts whose MinHash signatures meet."""

import hashlib
import re
from collections.abc import Iterable, Iterator

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import MinhashConfig
from datatrove.utils.text import TextNormConfig
from datatrove.utils.word_tokenizers import WordTokenizer

_WORD = re.compile(r"\w+|[^\w\s]")

MINHASH = MinhashConfig(
    n_grams=5,
    # 20 x 8 hashes meet with probability 0.99 at a similarity of 0.82 (2% of the words changed), 0.07 at 0.5.
    num_buckets=20,
    hashes_per_bucket=8,
    # In code case, digits and punctuation tell programs apart.
    norm_config=TextNormConfig(
        lowercase=False, norm_whitespace=False, remove_punctuation=False, norm_unicode_diacritics=False,
        norm_numbers=False,
    ),
)  # fmt: skip


class ExactDuplicates(PipelineStep):
    """Keeps the first of equal texts; counts the others as `dropped/exact_duplicate/LANGUAGE`.

    It knows only the documents of its own task, so all of them have to pass through one.
    """

    name = "Exact duplicates"
    type = "🫂 - DEDUP"

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield each text once."""
        assert world_size == 1, "equal texts in different tasks would both stay"
        seen: set[bytes] = set()
        for document in data:
            digest = hashlib.sha256(document.text.encode("utf-8")).digest()
            if digest in seen:
                self.stat_update(f"dropped/exact_duplicate/{document.metadata['language']}")
                continue
            seen.add(digest)
            yield document


class CodeWords(WordTokenizer):
    """Identifiers, numbers and single signs: the words of source code, with no model and no download."""

    def word_tokenize(self, text: str) -> list[str]:
        """The words in order."""
        return _WORD.findall(text)

    def sent_tokenize(self, text: str) -> list[str]:
        """The lines; MinHash does not ask for them."""
        return text.splitlines()

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each line; MinHash does not ask for them."""
        return [match.span() for match in re.finditer(r"[^\n]+", text)]
