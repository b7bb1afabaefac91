"""The header of a GGUF file, against what the library writes: its fields, and where the file must end."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multipl_moe.checkpoints.gguf_header import gguf_fields
from multipl_moe.errors import BaseModelError


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    """A small file with fields of several kinds and tensors of several types, the last one not a multiple of 32."""
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_token_list(["a", "bc", "é"])
    writer.add_array("scores", [0.5, 1.5])
    writer.add_license("mit")
    writer.add_bool("is_true", True)
    writer.add_float32("half", 0.5)
    writer.add_custom_alignment(64)
    writer.add_tensor("one", np.ones((3, 64), np.float32))
    quantised = gguf.quants.quantize(np.ones((2, 64), np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("two", quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("three", np.ones(5, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    reader = gguf.GGUFReader(file)
    end = max(tensor.data_offset + int(tensor.n_bytes) for tensor in reader.tensors)
    return file.read_bytes()[:end]  # without the padding, which nobody needs


def test_numbers_and_texts_of_a_whole_file_are_read(content, tmp_path: Path):
    (tmp_path / "model.gguf").write_bytes(content)
    fields = gguf_fields(tmp_path / "model.gguf")
    expected = {"general.architecture": "llama", "general.license": "mit", "is_true": True, "half": 0.5}
    assert fields == expected | {"general.alignment": 64}


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_is_cut_anywhere_is_refused(content, tmp_path: Path, share: float):
    (tmp_path / "cut.gguf").write_bytes(content[: int(share * len(content))])
    with pytest.raises(BaseModelError, match=r"cut\.gguf cannot be read as GGUF \(.*\); download it again"):
        gguf_fields(tmp_path / "cut.gguf")


def test_what_is_none_is_told(content, tmp_path: Path):
    for wrong in (b"<html>" * 99, content[:4] + b"\7" + content[5:], b"GGUF" + b"\3\0\0\0" + b"\xff" * 99):
        (tmp_path / "model.gguf").write_bytes(wrong)
        with pytest.raises(BaseModelError, match="cannot be read as GGUF"):
            gguf_fields(tmp_path / "model.gguf")
