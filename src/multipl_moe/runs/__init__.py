"""The folder of a run: what it holds, which run made a model, and what is known of the text that it trained on."""
