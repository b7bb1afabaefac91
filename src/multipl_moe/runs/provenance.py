"""What the files in and beside a model's folder tell of how it was made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multipl_moe.errors import BaseModelError
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.runs.result import Measured, read_measured

_UPCYCLE_FILE = "upcycle.json"
_RECIPE_FILE = "recipe.yaml"
_DEMO_HYBRID = "hybrid"  # where the demo leaves the hybrid that it trained from
_UNKNOWN_LICENCE = "unknown"


@dataclass(frozen=True)
class Provenance:
    """What is recorded; None where nothing is.

    Attributes:
        upcycle: content of upcycle.json.
        training: content of the run's training.json.
        recipe: of that run.
        metrics: of its metrics.json, or of a file that `eval` wrote.
        is_trained: False for what `upcycle` wrote, None where it cannot be told.
    """

    upcycle: dict[str, Any] | None
    training: dict[str, Any] | None
    recipe: Recipe | None
    metrics: Measured | None
    is_trained: bool | None

    @classmethod
    def of(cls, model: Path, metrics: Path | None = None) -> "Provenance":
        """Read what there is for the model in a folder; results from `metrics` instead of the run's metrics.json.

        Raises:
            BaseModelError, OutputError: a file is broken, or `metrics` holds no bits per byte by language.
        """
        run = run_folder(model)
        upcycle = _read(model / _UPCYCLE_FILE)
        is_fresh = upcycle is not None and (model / _RECIPE_FILE).is_file()
        if upcycle is None and run is not None:
            upcycle = _read(run / _DEMO_HYBRID / _UPCYCLE_FILE)
        result = metrics or (run / "metrics.json" if run is not None else None)
        return cls(
            upcycle,
            training=_read(run / "training.json") if run is not None else None,
            recipe=load_recipe(recipe) if (recipe := run_recipe_file(model)) is not None else None,
            metrics=read_measured(result) if result is not None and result.is_file() else None,
            is_trained=True if run is not None else False if is_fresh else None,
        )

    @property
    def base_hub_id(self) -> str | None:
        """The base's id on the hub."""
        return (self.upcycle or {}).get("base_hub_id")

    @property
    def base_name(self) -> str | None:
        """A name of the base that tells no paths of the machine that it was on."""
        spec = (self.upcycle or {}).get("base")
        return self.base_hub_id or (Path(spec).name if spec else None)

    @property
    def base_licence(self) -> str | None:
        """Licence of the base, an SPDX or hub identifier."""
        licence = (self.upcycle or {}).get("base_licence", _UNKNOWN_LICENCE)
        return None if licence == _UNKNOWN_LICENCE else licence

    def save(self, folder: Path) -> None:
        """Hand the origin on to a folder for others: upcycle.json without paths of this machine."""
        if self.upcycle is not None:
            names: dict[str, Any] = {"base": self.base_name}
            if "other_text" in self.upcycle:
                names["other_text"] = [Path(text).name for text in self.upcycle["other_text"]]
            write_json(folder / _UPCYCLE_FILE, self.upcycle | names)


def run_folder(model: Path) -> Path | None:
    """The folder of the run that trained a model, if the model still lies in it."""
    model = model.resolve()
    training = _read(model.parent / "training.json")
    if training is None or Path(str(training.get("model_folder"))).name != model.name:
        return None
    return model.parent


def run_recipe_file(model: Path) -> Path | None:
    """The recipe of the run that trained a model."""
    run = run_folder(model)
    return run / _RECIPE_FILE if run is not None and (run / _RECIPE_FILE).is_file() else None


def _read(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        values = read_json(file)
    except ValueError as error:
        raise BaseModelError(f"model: {file} is no JSON ({error}); restore or remove it") from error
    if not isinstance(values, dict):
        raise BaseModelError(f"model: {file} holds no record; restore or remove it")
    return values
