"""Equal texts and the words that near duplicates are told by."""

from datatrove.data import Document
from datatrove.utils.word_tokenizers import WordTokenizer

from multipl_moe.corpus.duplicates import CodeWords, ExactDuplicates


def test_the_first_of_equal_texts_stays():
    texts = ["a", "b", "a", "a ", "b"]
    documents = (Document(text, str(i), metadata={"language": "go"}) for i, text in enumerate(texts))
    step = ExactDuplicates()
    assert [document.id for document in step.run(documents)] == ["0", "1", "3"]
    assert step.stats.stats["dropped/exact_duplicate/go"].total == 2


def test_words_of_code():
    words = CodeWords()
    assert isinstance(words, WordTokenizer)
    assert words.word_tokenize("fn f(x_1: &str)\n{ é }") == [
        "fn", "f", "(", "x_1", ":", "&", "str", ")", "{", "é", "}",
    ]  # fmt: skip
