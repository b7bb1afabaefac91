from multipl_moe.corpus import read_documents
from multipl_moe.corpus.inspection.documents import inspect_documents
from tests.corpus.conftest import program


def test_samples_are_drawn_by_the_seed_from_both_splits(corpus):
    folder, manifest = corpus
    draws = [inspect_documents(folder, manifest, seed, 2, 4).samples for seed in range(30)]
    assert draws[0] == inspect_documents(folder, manifest, 0, 2, 4).samples
    assert all(len(samples) == 2 for draw in draws for samples in draw.values())
    splits = {split: {file.path for file in read_documents(folder, split, "rust")} for split in ("train", "validation")}
    drawn = {split: {s.path for draw in draws for s in draw["rust"] if s.split == split} for split in splits}
    for split, paths in splits.items():
        assert drawn[split] <= paths
        assert len(drawn[split]) > len(paths) / 2


def test_a_sample_is_a_documents_first_lines_with_what_is_known_of_it(corpus):
    folder, manifest = corpus
    samples = {sample.path: sample for sample in inspect_documents(folder, manifest, 0, 100, 4).samples["python"]}
    assert len(samples) == manifest.languages["python"].train_files + manifest.languages["python"].validation_files
    (path,) = [path for path in samples if path.endswith("file_107.py")]
    text = program(107)
    assert samples[path].beginning.splitlines() == text.splitlines()[:4]
    assert (samples[path].num_lines, samples[path].num_bytes) == (len(text.splitlines()), len(text.encode()))
    assert samples[path].licence == "Apache-2.0"
