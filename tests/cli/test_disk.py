"""A disk that takes no more, and a folder that cannot be written, are one line and exit code 2 for every verb."""

import ctypes
import resource
import shlex
from contextlib import contextmanager

import pytest

from tests.fixtures import tree

from .conftest import SHORT, TWO

_TRAIN = shlex.join([*TWO, *SHORT])
_SAME, _RESUME, _LONG = " ", "--resume", "takes too long here"
_WRITING = {  # and what the same command needs to go on; empty where nothing is to be left
    "corpus out --source {sources} --base {base} --learn rust --keep python": _SAME,
    "inspect {corpus} --output out": "",
    "upcycle out --base {base} --layers last:1 --set moe.gate.languages=[]": "",
    "train {hybrid} {corpus} out " + _TRAIN: _RESUME,
    "eval out --metric bpb --model {hybrid} --corpus {corpus} --learn rust --keep python": "",
    "eval out --metric moved --model {hybrid} --corpus {corpus} --against {base} --learn rust --keep python": "",
    "eval out --model {base} --languages python --max-new-tokens 2 --set programs.problems_per_language=2": _RESUME,
    "eval out --reference --languages python": "",
    "export {hybrid} out": "",
    "export {base} out --gguf": "",
    "export {hybrid} out --merge --anyway --corpus {corpus} --set learn=[rust] --set keep=[python]": "",
    "compare out recipe.yaml --tokens 4096": _LONG,
    "demo --output out --recipe recipe.yaml": _LONG,
}
_DAC_OVERRIDE = 1


@contextmanager
def files_of_at_most(num_bytes: int):
    """Every write beyond so many bytes of a file fails, as on a disk that is full there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


@contextmanager
def permissions_that_bind_root():
    """Root may write everywhere by a capability of its, which is laid down for the block."""
    libc, header = ctypes.CDLL(None, use_errno=True), _Header(0x20080522, 0)
    held, kept = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    assert libc.capget(ctypes.byref(header), held) == 0
    kept[:] = held[:]
    kept[0] &= ~(1 << _DAC_OVERRIDE)
    assert libc.capset(ctypes.byref(header), kept) == 0
    try:
        yield
    finally:
        assert libc.capset(ctypes.byref(header), held) == 0


@pytest.fixture
def words(base, hybrid, corpus, sources, tmp_path):
    """Fills in a command."""
    (tmp_path / "recipe.yaml").write_text(
        f"base: {base}\nlearn: [rust]\nkeep: [python]\ncorpus: {{sources: [{{kind: folder, path: {sources}}}]}}\n"
    )
    return lambda command: shlex.split(command.format(base=base, hybrid=hybrid, corpus=corpus, sources=sources))


def assert_told(outcome) -> str:
    (line,) = outcome.err.splitlines()
    assert line.startswith("error: output: ")
    assert "Traceback" not in outcome.out
    return line


@pytest.mark.parametrize("command", _WRITING)
def test_a_folder_that_is_read_only_is_refused_before_the_work(run, words, tmp_path, command):
    arguments = words(command)
    before = tree(tmp_path)
    tmp_path.chmod(0o555)
    with permissions_that_bind_root():
        told = assert_told(run(*arguments, code=2))
    tmp_path.chmod(0o755)
    assert "out cannot be " in told
    assert "(Permission denied); choose another folder" in told
    assert tree(tmp_path) == before


@pytest.mark.parametrize("command", [each for each, again in _WRITING.items() if again and "--languages" not in each])
def test_a_disk_that_is_full_from_the_start_keeps_nothing(run, words, tmp_path, command):
    arguments = words(command)
    before = tree(tmp_path)
    with files_of_at_most(0):
        assert "free some space" in assert_told(run(*arguments, code=2))
    assert tree(tmp_path) == before


@pytest.mark.parametrize("command", _WRITING)
def test_a_disk_that_becomes_full_keeps_only_what_can_be_gone_on_with(run, words, tmp_path, command):
    arguments = words(command)
    before = tree(tmp_path)
    with files_of_at_most(5000):
        assert "free some space" in assert_told(run(*arguments, code=2))
    added = tree(tmp_path).keys() - before.keys()
    assert bool(added) == bool(_WRITING[command])
    if added and _WRITING[command] != _LONG:
        run(*arguments, *_WRITING[command].split())
