"""Signatures: of which words, and how well they tell alike from unlike."""

import random

import numpy as np
import pytest

from multipl_moe.corpus.duplicates.minhash import MINHASH, CodeSignature


def signature(step: CodeSignature, text: str) -> np.ndarray:
    return np.array(step.get_signature(step.get_shingles(text))).ravel()


@pytest.mark.parametrize("num_words", [300, 5000])
@pytest.mark.parametrize("num_shared", [0.0, 0.5, 0.9])
def test_the_share_of_equal_hashes_is_the_similarity_of_the_texts(tmp_path, num_words, num_shared):
    rng = random.Random(num_words)
    words = [f"w{rng.randrange(10**6)}" for _ in range(num_words)]
    split = round(num_shared * num_words)
    others = words[:split] + [f"v{rng.randrange(10**6)}" for _ in range(num_words - split)]
    step = CodeSignature(tmp_path)
    shingles = [set(step.get_shingles(" ".join(text)).ravel().tolist()) for text in (words, others)]
    similarity = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
    equal = np.mean(signature(step, " ".join(words)) == signature(step, " ".join(others)))
    assert abs(equal - similarity) < 3.5 * (similarity * (1 - similarity) / 160) ** 0.5 + 1e-9


def test_a_signature_has_hashes_for_each_bucket_and_is_the_same_in_every_process(tmp_path):
    step = CodeSignature(tmp_path)
    buckets = step.get_signature(step.get_shingles("fn main() { println!(1); }"))
    assert [len(bucket) for bucket in buckets] == [MINHASH.hashes_per_bucket] * MINHASH.num_buckets
    assert buckets[0][:2] == [318328001, 164729842]
