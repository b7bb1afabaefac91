"""From a dense base model to a hybrid checkpoint."""
