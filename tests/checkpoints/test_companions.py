"""What goes with a model's weights."""

from multipl_moe.checkpoints.companions import copy_companions
from tests.upcycle.conftest import names_in


def test_companions_are_all_files_but_weights_and_what_the_output_writes_itself(tmp_path):
    names = ["tokenizer.json", "vocab.txt", "LICENSE", "chat_template.jinja", "generation_config.json", "upcycle.json"]
    others = ["model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json"]
    others += ["pytorch_model.bin", "pytorch_model.bin.index.json", "model.gguf", "consolidated.00.pth"]
    others += ["config.json", "recipe.yaml", "environment.json", "expert_use.json", "README.md", "modeling.py"]
    (tmp_path / "from" / "folder").mkdir(parents=True)
    (tmp_path / "to").mkdir()
    for name in names + others:
        (tmp_path / "from" / name).write_text(name)
    copy_companions(tmp_path / "from", tmp_path / "to")
    assert names_in(tmp_path / "to") == sorted(names)
    assert (tmp_path / "to" / "LICENSE").read_text() == "LICENSE"
