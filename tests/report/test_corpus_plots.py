"""Figures of a corpus show what they should."""

from multipl_moe.corpus.manifest import DROP_REASONS
from multipl_moe.report.corpus_page import DROPPED_GROUPS


def test_every_reason_has_its_place():
    assert sorted(reason for _, reasons in DROPPED_GROUPS.values() for reason in reasons) == sorted(DROP_REASONS)
