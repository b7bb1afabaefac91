"""The files that go with a model's weights from folder to folder."""

import shutil
from pathlib import Path

_CODE_SUFFIX = ".py"
_WEIGHT_SUFFIXES = {".safetensors", ".bin", ".gguf", ".pt", ".pth", ".h5", ".msgpack", ".onnx", ".onnx_data"}
_OWN_FILES = {"config.json", "recipe.yaml", "environment.json", "expert_use.json", "stage1.json", "README.md"}


def copy_companions(model_folder: Path, output: Path) -> None:
    """Copy what goes with a model's weights: tokenizer, chat template, generation settings, licence, `upcycle.json`.

    A model card and modeling code tell of the model that they come with, so they stay.
    """
    for file in model_folder.iterdir():
        is_weights = file.suffix in _WEIGHT_SUFFIXES or file.name.endswith(".index.json")
        stays = is_weights or file.suffix == _CODE_SUFFIX or file.name in _OWN_FILES
        if file.is_file() and not stays:
            shutil.copy2(file, output / file.name)
