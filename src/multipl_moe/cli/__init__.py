"""The command line: `multipl-moe VERB`. It parses, calls and prints; computation lives elsewhere.

A file a verb, or for verbs that have much in common; what only some need is imported inside them.
"""

from multipl_moe.cli import (
    compare,
    corpus,
    demo,
    doctor,
    evaluate,
    export,
    generate,
    judge,
    language,
    packs,
    practice,
    serve,
    train,
    upcycle,
)
from multipl_moe.cli.app import app, main

__all__ = ["app", "main"]

_VERBS = {
    "demo": demo.demo,
    "language": language.language,
    "corpus": corpus.corpus,
    "inspect": corpus.inspect,
    "upcycle": upcycle.upcycle,
    "train": train.train,
    "eval": evaluate.evaluate,
    "judge": judge.judge,
    "practice": practice.practice,
    "compare": compare.compare,
    "generate": generate.generate,
    "explore": serve.explore,
    "serve": serve.serve,
    "pack": packs.pack,
    "compose": packs.compose,
    "export": export.export,
    "check": packs.check,
    "doctor": doctor.doctor,
}
for _name, _verb in _VERBS.items():
    app.command(_name)(_verb)
