"""Programs that a model wrote, judged: languages and their toolchains, a sandbox, benchmarks, typed outcomes.

Imports neither torch nor multipl_moe, which is built on it (docs/judge.md).
"""
