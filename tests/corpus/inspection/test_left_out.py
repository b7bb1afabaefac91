import json
from collections import Counter
from dataclasses import replace

from multipl_moe.corpus.inspection.left_out import inspect_dropped, inspect_duplicates


def test_clusters_are_counted_and_the_largest_come_first(corpus, tmp_path):
    clusters = [["a/x/1", "a/x/2"], ["a/x/3", "b/y/1", "b/y/2", "c/z#5/q"], *[["a/x/4", "b/y/3"]] * 20]
    clusters[7] = [f"d/w/{number}" for number in range(50)]
    languages = [["rust"] * len(paths) for paths in clusters]
    languages[1][3] = "python"
    with (tmp_path / "duplicates.jsonl").open("w") as lines:
        for number, paths in enumerate(clusters):
            row = {"cluster": number, "kept": paths[0], "paths": paths, "languages": languages[number]}
            lines.write(json.dumps(row) + "\n")
    found = inspect_duplicates(tmp_path, manifest_of(corpus[1], num_clusters=22, num_dropped=1 + 3 + 19 + 49))
    assert found is not None
    assert (found.num_clusters, found.num_files) == (22, 22 + 72)
    assert (found.across_sources, found.across_languages) == (20, 1)
    assert found.sources == Counter({("a/x", "a/x"): 1, ("b/y", "a/x"): 2 + 19, ("c/z", "a/x"): 1, ("d/w", "d/w"): 49})
    assert [cluster.size for cluster in found.largest] == [50, 4] + [2] * 8
    assert found.largest[0].paths == clusters[7][:20]
    assert found.largest[1].languages == ["python", "rust"]


def manifest_of(manifest, *, num_clusters: int, num_dropped: int):
    """The manifest with other numbers of duplicates."""
    rows = {
        name: replace(row, dropped={"near_duplicate": num_dropped if name == "rust" else 0})
        for name, row in manifest.languages.items()
    }
    return replace(manifest, languages=rows, duplicate_clusters=num_clusters)


def test_the_builds_own_list_fits_its_manifest(corpus):
    folder, manifest = corpus
    found = inspect_duplicates(folder, manifest)
    assert found is not None
    assert found.num_clusters == manifest.duplicate_clusters == 4
    assert found.num_files == 8


def test_there_are_as_many_samples_as_asked_for_of_each_reason_and_language(corpus):
    folder, manifest = corpus
    for num_samples in (0, 2, 9):
        dropped = inspect_dropped(folder, manifest, 0, num_samples)
        assert dropped is not None
        for language, row in manifest.languages.items():
            for reason, count in row.dropped.items():
                samples = dropped.samples.get(reason, {}).get(language, [])
                assert len({sample.path for sample in samples}) == min(count, num_samples)
                assert all(len(sample.excerpt) == 300 for sample in samples)
