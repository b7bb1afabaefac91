"""A page on which one sees what a trained model does with a text."""
