"""What a recipe for a language of one's own begins as: the whole road, and a toolchain for each kind of language."""
