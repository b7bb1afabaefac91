"""The recipe of a run that starts from a hybrid: base, layer and start of the experts are that hybrid's."""

from pathlib import Path
from typing import Any, cast

import torch

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.errors import ConfigError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.recipe.moe import MoeSection, resolve_layers
from multipl_moe.recipe.recipe import Recipe, flat_settings
from multipl_moe.runs.folder import read_json
from multipl_moe.system.device import dtype_name


def recipe_of_hybrid(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the hybrid's own settings in `moe`, `base` and `upcycle`, so that what is recorded is true.

    A folder with a dense model changes nothing: loading it tells.

    Raises:
        BaseModelError: the folder holds no model.
        ConfigError: the recipe names other settings of layer or start than the hybrid has, or its domain gate opens for
            other languages; all of them are told.
    """
    config = load_config(folder)
    if not isinstance(config, MultiplMoeConfig):
        return recipe
    file = folder / "upcycle.json"
    record = read_json(file) if file.is_file() else None
    start = {} if record is None else _start(record, config)
    base = (record or {}).get("base") or recipe.base
    if problems := [*_other_settings(recipe, config, base, start, folder), *_other_languages(recipe, config, folder)]:
        raise ConfigError(problems)
    changes: dict[str, object] = {"moe": MoeSection.of_hybrid(config.moe_config)}
    if record is not None:
        changes |= {"base": base, "upcycle": recipe.upcycle.model_copy(update=start)}
    return recipe.model_copy(update=changes)


def _start(record: dict[str, Any], config: MultiplMoeConfig) -> dict[str, Any]:
    start: dict[str, Any] = {"dtype": dtype_name(cast(torch.dtype, config.dtype))}
    if "noise" in record:
        start["noise"] = record["noise"]
    if "other_text" in record:
        start["other_text"] = [Path(folder) for folder in record["other_text"]]
    return start


def _other_settings(
    recipe: Recipe, config: MultiplMoeConfig, base: str, start: dict[str, Any], folder: Path
) -> list[str]:
    """What is wrong with the settings that the recipe itself names: those that the hybrid was made with differ."""
    moe, own = recipe.moe, config.moe_config
    layers = resolve_layers(moe.experts.layers, config.base_config.num_hidden_layers)
    asked, has = (flat_settings(made.to_dict()) for made in (moe.resolve(layers, recipe.learn), own))
    pairs: dict[str, tuple[Any, Any]] = {}
    if "base" in recipe.model_fields_set:
        pairs["base"] = (Path(recipe.base), Path(base))
    named = sorted(flat_settings(moe.model_dump(exclude_unset=True)))
    pairs |= {f"moe.{key}": (asked.get(key), has.get(key)) for key in named}
    named = sorted(recipe.upcycle.model_fields_set & start.keys())
    pairs |= {f"upcycle.{key}": (getattr(recipe.upcycle, key), start[key]) for key in named}
    return [
        f"{key}: {wanted}, but {folder} has {made}; leave it out, or upcycle anew"
        for key, (wanted, made) in pairs.items()
        if wanted != "auto" and _comparable(wanted) != _comparable(made)
    ]


def _comparable(setting: Any) -> Any:
    """Of folders their names: `export` hands on no more."""
    if isinstance(setting, list):
        return [_comparable(one) for one in setting]
    return setting.name if isinstance(setting, Path) else setting


def _other_languages(recipe: Recipe, config: MultiplMoeConfig, folder: Path) -> list[str]:
    """What is wrong with the languages behind a domain gate: it opens for those to learn, and for none to keep."""
    if not (opens_for := config.moe_config.gate.languages):
        return []
    gate, problems = f"the domain gate of {folder} opens for", []
    if unknown := [name for name in recipe.learn if name not in opens_for]:
        problems.append(
            f"learn: {gate} {', '.join(opens_for)}, and would stay shut for {', '.join(unknown)}; upcycle anew for them"
        )
    if forgotten := [name for name in recipe.keep if name in opens_for]:
        problems.append(
            f"keep: {gate} {', '.join(forgotten)}, so experts would change what the model knows of it; learn it too, "
            "or upcycle anew"
        )
    return problems
