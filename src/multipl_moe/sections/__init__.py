"""The parts of a recipe, each strict about its keys and values; `multipl_moe.recipe` puts them together."""
