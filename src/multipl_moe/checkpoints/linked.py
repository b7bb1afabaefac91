"""Models that share the base's files with it, so that one that was trained takes no more of the disk than what is new.

A model whose base keeps all its names consists of the base's own files, under a second name (hard links), and one with
what was added. Such a folder is as whole as any: what is shared stays until the last folder with it goes.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from safetensors import safe_open

from multipl_moe.checkpoints.tensors import ADDED, INDEX_FILE, TensorPlan, write_checkpoint, write_index

_PREFIX = "base-"
_WHOLE = "1000GB"  # of a file: what is added is never split


def write_beside_base(
    plans: list[TensorPlan],
    folder: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """`write_checkpoint`, but for files that hold nothing but tensors of the model as they are: these are linked to.

    Where the disk has no links, or is not the one that the base lies on, they are written too.
    """
    by_file: dict[Path, set[str]] = defaultdict(set)
    for plan in plans:
        if plan.stored is not None:
            by_file[plan.stored].add(plan.name)
    linked: dict[str, str] = {}
    for file, names in by_file.items():
        with safe_open(file, framework="pt") as reader:
            is_whole = set(reader.keys()) == names
        if is_whole and _link(file, folder / f"{_PREFIX}{file.name}"):
            linked |= dict.fromkeys(names, f"{_PREFIX}{file.name}")
    write_checkpoint([plan for plan in plans if plan.name not in linked], folder, on_progress, linked=linked)


def bytes_to_write(plans: Iterable[TensorPlan], output: Path) -> int:
    """How much of the disk `write_beside_base` takes, at most."""
    device = next(folder for folder in output.absolute().parents if folder.is_dir()).stat().st_dev
    return sum(plan.num_bytes for plan in plans if plan.stored is None or plan.stored.stat().st_dev != device)


def save_beside_base(model: Any, start: Path, folder: Path) -> None:
    """transformers' `save_pretrained` of a model that was loaded from `start`, whose linked files it did not change."""
    index = start / INDEX_FILE
    files: dict[str, str] = json.loads(index.read_text())["weight_map"] if index.is_file() else {}
    linked = {name: file for name, file in files.items() if file.startswith(_PREFIX)}
    if not linked or not all(_link(start / file, folder / file) for file in set(linked.values())):
        for file in folder.glob(f"{_PREFIX}*"):  # linked before one could not be
            file.unlink()
        model.save_pretrained(folder)
        return
    state = model.state_dict()
    added = {name: state[name] for name in files if name not in linked}
    model.save_pretrained(folder, state_dict=added, max_shard_size=_WHOLE)
    added_file = f"{ADDED}.safetensors"
    (folder / "model.safetensors").rename(folder / added_file)
    write_index(folder, dict.fromkeys(added, added_file) | linked, sum(value.nbytes for value in added.values()))


def _link(file: Path, target: Path) -> bool:
    try:
        os.link(file.resolve(), target)
    except OSError:  # another disk, or one without links
        return False
    return True
