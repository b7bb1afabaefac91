"""What answers tasks: a model in this process or behind a server, by going on from the task's text or by chat."""

from multipl_judge.problems.extract import continuation_of_answer
from multipl_judge.problems.problem import Problem
from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.codegen.completer import Completer, Extract
from multipl_moe.codegen.endpoint import EndpointCompleter
from multipl_moe.codegen.local import LocalCompleter
from multipl_moe.generate.text import asked_by_chat, load_tokenizer
from multipl_moe.practice.tasks import TaskSet
from multipl_moe.recipe.practice import PracticeSection


def load_sampler(section: PracticeSection, model: str, task_set: TaskSet) -> Completer:
    """The server that the section names, as many requests at a time as it has sequences in a batch; else `model`.

    Raises:
        BaseModelError: the model cannot be found, fetched or read.
        ConfigError: the server's client is not installed, or the model has no chat template.
    """

    def continuation(asked: Problem, answer: str) -> str:
        return continuation_of_answer(asked, answer) or ""

    extract = continuation if section.chat else None
    server = server_of(section, extract)
    return LocalCompleter.load(model, section.codegen, extract) if server is None else server


def server_of(section: PracticeSection, extract: Extract | None = None) -> Completer | None:
    """The server that the section names, if it names one; raises ConfigError if its client is not installed."""
    if section.endpoint is None:
        return None
    assert section.endpoint_model is not None
    concurrency = section.codegen.batch_sequences
    return EndpointCompleter(section.endpoint, section.endpoint_model, extract=extract, concurrency=concurrency)


def require_sampler(section: PracticeSection, model: str) -> None:
    """Raise what `load_sampler` would, weights that cannot be read apart: before tasks are tried, which takes long."""
    if server_of(section) is None:
        folder = resolve_base(model)
        if section.chat:
            asked_by_chat(load_tokenizer(folder), "Hello")
