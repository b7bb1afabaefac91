"""The command line: `multipl-moe VERB`. It parses, calls and prints; computation lives elsewhere.

One file a verb; what only some verbs need is imported inside them.
"""

from multipl_moe.cli import (
    check,
    compare,
    compose,
    corpus,
    demo,
    doctor,
    evaluate,
    explore,
    export,
    generate,
    inspection,
    judge,
    language,
    pack,
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
    "inspect": inspection.inspect,
    "upcycle": upcycle.upcycle,
    "train": train.train,
    "eval": evaluate.evaluate,
    "judge": judge.judge,
    "practice": practice.practice,
    "compare": compare.compare,
    "generate": generate.generate,
    "explore": explore.explore,
    "serve": serve.serve,
    "pack": pack.pack,
    "compose": compose.compose,
    "export": export.export,
    "check": check.check,
    "doctor": doctor.doctor,
}
for _name, _verb in _VERBS.items():
    app.command(_name)(_verb)
