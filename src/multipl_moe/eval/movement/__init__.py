"""How far a model has moved from its base: on the base's own answers, on what was to be kept, on other text."""
