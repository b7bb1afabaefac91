"""Several ways of training on the same tokens, and what each gains and loses."""
