"""Names of answers, and the parts of their texts."""

from hypothesis import given
from hypothesis import strategies as st

from multipl_judge.languages.answers import answers_in, are_answers, cuts_of, language_of, parts_of, title_of
from multipl_judge.languages.table import LANGUAGES


def test_a_name_tells_language_and_title():
    for language, entry in LANGUAGES.items():
        name = answers_in(language)
        assert (language_of(name), language_of(language)) == (language, language)
        assert (are_answers(name), are_answers(language)) == (True, False)
        assert (title_of(name, LANGUAGES), title_of(language, LANGUAGES)) == (f"{entry.title}, answers", entry.title)


@given(st.lists(st.text(), min_size=1))
def test_cuts_tell_the_parts_apart_again(parts: list[str]):
    assert parts_of("".join(parts), cuts_of(parts)) == parts
