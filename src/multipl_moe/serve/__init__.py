"""One model behind OpenAI's HTTP interface, on the handlers of transformers' own server."""
