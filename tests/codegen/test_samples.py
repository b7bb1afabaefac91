"""samples.jsonl holds whole lines whatever happens, and refuses to be gone on with in another way."""

import json
from dataclasses import replace

import pytest

from multipl_moe.codegen.completer import Completion, Finish
from multipl_moe.codegen.samples import ORIGIN_FILE, SAMPLES_FILE, Origin, SamplesFile, read_samples
from multipl_moe.errors import OutputError

ORIGIN = Origin("tiny", {"weights": "1"}, {"temperature": 0.2, "seed": 0}, {"starter/rust": "a"})
SAMPLES = {
    ("starter/rust/1", 0): Completion('é "\u2028\r\x00\n\tdone', Finish.stop),
    ("starter/rust/1", 1): Completion("", Finish.length),
    ("starter/rust/2", 0): Completion("}", Finish.end),
}


@pytest.fixture
def folder(tmp_path):
    with SamplesFile(tmp_path / "run", ORIGIN) as file:
        file.append(SAMPLES.items())
    return tmp_path / "run"


def test_what_a_kill_or_an_interruption_leaves_of_a_line_is_cut(folder):
    file, written = folder / SAMPLES_FILE, (folder / SAMPLES_FILE).read_bytes()
    file.write_bytes(written[:-5])
    whole = dict(list(SAMPLES.items())[:2])
    assert read_samples(folder) == whole
    with SamplesFile(folder, ORIGIN) as again:
        assert again.samples == whole
        again.append((key, SAMPLES[key]) for key in SAMPLES if key not in whole)
        with file.open("ab") as stream:
            stream.write(b'{"key": "starter/rust/9"')
    assert file.read_bytes() == written


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        (replace(ORIGIN, name="big", model={"weights": "2"}), "the model tiny, not big"),
        (replace(ORIGIN, model={"weights": "2"}), "the model tiny, which has changed since"),
        (replace(ORIGIN, settings={"temperature": 0.8, "seed": 1}), "seed 0, not 1; temperature 0.2, not 0.8"),
        (replace(ORIGIN, problems={"starter/rust": "b"}), "other problems of starter/rust"),
    ],
)
def test_going_on_another_way_is_refused_in_one_line(folder, origin, message):
    before = (folder / SAMPLES_FILE).read_bytes()
    with pytest.raises(OutputError, match=message) as refusal, SamplesFile(folder, origin):
        pass
    assert "\n" not in str(refusal.value)
    assert str(folder) in str(refusal.value)
    assert (folder / SAMPLES_FILE).read_bytes() == before


def test_another_name_for_the_same_model_and_more_sets_are_welcome(folder):
    more = replace(ORIGIN, name="moved", problems={"starter/go": "g"})
    with SamplesFile(folder, more) as file:
        assert file.samples == SAMPLES
    with SamplesFile(folder, replace(ORIGIN, problems=ORIGIN.problems | more.problems)):
        pass
    recorded = json.loads((folder / ORIGIN_FILE).read_text())
    assert recorded["problems"] == {"starter/rust": "a", "starter/go": "g"}
    other = replace(more, problems={"starter/go": ""})
    with pytest.raises(OutputError, match="starter/go"), SamplesFile(folder, other):
        pass


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "is not a JSON object"),
        ('{"key": "k"}', "is not a sample"),
        ('{"key": [], "sample": 0, "completion": "", "finish": "end"}', "is not a sample"),
        ('{"key": "k", "sample": 0, "completion": "", "finish": "x"}', "is not a sample"),
        ('{"key": "starter/rust/2", "sample": 0, "completion": "", "finish": "end"}', "repeats a sample"),
    ],
)
def test_a_line_that_is_no_new_sample_is_named(folder, line, message):
    with (folder / SAMPLES_FILE).open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(OutputError, match=f"line 4 {message}"):
        read_samples(folder)


def test_a_folder_that_another_run_writes_or_nobody_can_or_without_its_origin_is_left_alone(folder, tmp_path):
    with SamplesFile(folder, ORIGIN), pytest.raises(OutputError, match="another run"), SamplesFile(folder, ORIGIN):
        pass
    (folder / ORIGIN_FILE).unlink()
    with pytest.raises(OutputError, match=r"no codegen\.json"), SamplesFile(folder, ORIGIN):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), SamplesFile(tmp_path / "file" / "run", ORIGIN):
        pass
