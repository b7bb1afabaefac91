"""`doctor`: what the machine has, and an exit code that says whether all languages can be judged."""

from multipl_moe.judge.preflight import LanguageCheck


def test_a_language_that_works_is_ready(run, bubblewrap):
    outcome = run("doctor", "--languages", "python")
    assert outcome.code == 0, outcome.err
    assert "Python 3" in outcome.out
    assert "ready" in outcome.out
    assert "torch" in outcome.out


def test_a_language_that_does_not_is_told_with_the_remedy(run, monkeypatch):
    check = LanguageCheck(False, "", 0.0, "ruby: not found (Debian: apt install ruby)")
    monkeypatch.setattr("multipl_moe.judge.preflight.preflight", lambda languages, unsafe: {"ruby": check})
    outcome = run("doctor")
    assert outcome.code == 1
    assert "not found" in outcome.out
    assert "apt install ruby" in outcome.out


def test_an_unknown_language_is_refused(refused):
    assert "--languages: cobol not known; known: python" in refused("doctor", "--languages", "cobol")
