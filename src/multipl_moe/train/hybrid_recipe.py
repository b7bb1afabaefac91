"""The recipe of a run that starts from a hybrid: base, layer and start of the experts are that hybrid's."""

from pathlib import Path

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.errors import ConfigError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.recipe.moe import MoeSection, resolve_layers
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.folder import read_json


def recipe_of_hybrid(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the hybrid's own settings in `moe`, `base` and `upcycle`, so that what is recorded is true.

    A folder with a dense model changes nothing: loading it tells.

    Raises:
        BaseModelError: the folder holds no model.
        ConfigError: the recipe names other settings than the hybrid has; all of them are told.
    """
    config = load_config(folder)
    if not isinstance(config, MultiplMoeConfig):
        return recipe
    own = config.moe_config
    asked = recipe.moe.resolve(resolve_layers(recipe.moe.layers, config.base_config.num_hidden_layers), recipe.learn)
    problems = [
        f"moe.{key}: {getattr(asked, key)}, but {folder} has {getattr(own, key)}; leave it out, or upcycle anew"
        for key in sorted(recipe.moe.model_fields_set)
        if getattr(asked, key) != getattr(own, key) and key != "domain_gate"
    ]
    if own.domain_gate and (unknown := [name for name in recipe.learn if name not in own.domain_gate]):
        problems.append(
            f"learn: the domain gate of {folder} opens for {', '.join(own.domain_gate)}, and would stay shut for "
            f"{', '.join(unknown)}; upcycle anew for them"
        )
    if "domain_gate" in recipe.moe.model_fields_set and recipe.moe.domain_gate and not own.domain_gate:
        problems.append(f"moe.domain_gate: {folder} has none; leave it out, or upcycle anew")
    if problems:
        raise ConfigError(problems)
    changes: dict[str, object] = {"moe": MoeSection.of_hybrid(own)}
    file = folder / "upcycle.json"
    if file.is_file():
        record = read_json(file)
        start = {key: record[key] for key in ("noise", "reinit") if key in record}
        start["experts_from"] = Path(record["experts_from"]) if record.get("experts_from") else None
        changes |= {"base": record.get("base") or recipe.base, "upcycle": recipe.upcycle.model_copy(update=start)}
    return recipe.model_copy(update=changes)
