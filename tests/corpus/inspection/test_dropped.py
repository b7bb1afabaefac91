from multipl_moe.corpus.inspection.dropped import inspect_dropped


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
