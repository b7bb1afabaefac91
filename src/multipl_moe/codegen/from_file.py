"""Completions that were made elsewhere, taken over as they were published."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from multipl_judge.problems.extract import after_prompt, completion_of_answer, is_whole_answer
from multipl_judge.problems.language_codes import language_of
from multipl_judge.problems.problem import Problem, cut_at_stop
from multipl_moe.codegen.completer import Completion, Finish, SampleKey
from multipl_moe.codegen.generation import digests_of, require_distinct
from multipl_moe.codegen.published import Answers, read_answers
from multipl_moe.codegen.samples import Origin, SamplesFile
from multipl_moe.errors import ConfigError

_NUM_NAMED = 3


def import_samples(
    problems: Sequence[Problem],
    path: Path,
    folder: Path,
    *,
    chat: bool = False,
    ignored: Sequence[Problem] = (),
) -> dict[SampleKey, Completion]:
    """Take published answers over into a folder's samples.jsonl.

    An answer names its problem by key (benchmark/language/id), by id, or by the name that it has in all languages
    ("HumanEval/0"), where that could be in several languages with "language" beside it, in any of its usual spellings.
    A problem may have several entries; its answers count up as they come. One that is a whole function or program, in a
    fenced block or not, is taken as `completion_of_answer` says; any other continues the prompt, which it may repeat,
    and is cut at the problem's first stop string.

    Args:
        path: file or folder, see `read_answers`.
        folder: created if need be.
        chat: take all of them for answers of a chat.
        ignored: problems of which answers are passed over, such as those of a language that is not scored here.

    Returns:
        The samples, in the order of the problems; as many for each.

    Raises:
        ConfigError: the file cannot be read; answers name no problem or hold no text; problems have no answer, or
            fewer than others.
        OutputError: the folder cannot be written, or its samples were made another way.
    """
    texts, num_samples, digest = require_answers(path, problems, ignored)
    samples = {
        (problem.key, sample): _completion(problem, text, chat, is_whole)
        for problem in problems
        for sample, (text, is_whole) in enumerate(texts[problem.key])
    }
    origin = Origin(
        name=str(path),
        model={"file_sha256": digest, "chat": chat},
        settings={"num_samples": num_samples},
        problems=digests_of(problems),
    )
    with SamplesFile(folder, origin) as output:
        output.append((key, sample) for key, sample in samples.items() if key not in output.samples)
    return samples


def require_answers(
    path: Path, problems: Sequence[Problem], ignored: Sequence[Problem]
) -> tuple[dict[str, list[tuple[str, bool]]], int, str]:
    """The texts of each problem, how many each has, and a digest of the file.

    It raises the ConfigError that `import_samples` would, before anything that costs time.
    """
    require_distinct(problems)
    answers, digest = read_answers(path)
    texts = _texts_of(problems, ignored, path, answers)
    return texts, _require_all(problems, path, texts), digest


def what_was_cut(samples: Iterable[Completion]) -> str:
    """A sentence on how many completions a stop string has cut, and how many are empty."""
    samples = list(samples)
    cut = sum(sample.finish == Finish.stop for sample in samples)
    empty = sum(not sample.text.strip() for sample in samples)
    return f"of {len(samples)} answers {cut} were cut by a stop string, and {empty} came out empty"


def _texts_of(
    problems: Sequence[Problem], ignored: Sequence[Problem], path: Path, answers: Sequence[Answers]
) -> dict[str, list[tuple[str, bool]]]:
    """The texts of each problem, by key, and whether they are whole programs."""
    names, ignored_names = _names(problems), _names(ignored)
    texts: dict[str, list[tuple[str, bool]]] = {problem.key: [] for problem in problems}
    unknown: list[Answers] = []
    if answers and isinstance(answers[0].name, int):
        _require_one_order(problems, path, answers)
    for answer in answers:
        by_number = isinstance(answer.name, int)
        named = [problems[int(answer.name)]] if by_number else _meant(str(answer.name), answer.language, names)
        if len(named) > 1:
            raise ConfigError(
                f"{answer.where}: {answer.name} is in several sets or languages; name it as {named[0].key}, or give "
                "its language"
            )
        if named:
            texts[named[0].key] += [(text, answer.are_whole) for text in answer.texts]
        elif not _meant(str(answer.name), answer.language, ignored_names):
            unknown.append(answer)
    if unknown:
        raise ConfigError(_describe_unknown(path, unknown, names))
    return texts


def _require_one_order(problems: Sequence[Problem], path: Path, answers: Sequence[Answers]) -> None:
    """Raise ConfigError where it is not clear whose answers the lists of a list are."""
    sets = {f"{problem.benchmark} in {problem.language}" for problem in problems}
    if len(sets) > 1 or len(answers) != len(problems):
        raise ConfigError(
            f"completions: {path} holds {len(answers)} lists of answers, in the order of a benchmark, for "
            f"{len(problems)} problems of {', '.join(sorted(sets))}; choose the benchmark and the one language that it "
            "was made for, and all their problems"
        )


def _meant(name: str, language: str | None, names: dict[str, list[Problem]]) -> list[Problem]:
    """The problems that an answer may name; one whose own name it is goes before those that share it."""
    spoken = None if language is None else language_of(language)
    found = [
        problem
        for problem in names.get(name.casefold(), [])
        if problem.key == name or language is None or spoken == problem.language
    ]
    return [problem for problem in found if name in (problem.key, problem.id)] or found


def _names(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    """The problems that each name may mean: keys, ids, and what the same problem is called in all languages."""
    names: dict[str, list[Problem]] = {}
    for problem in problems:
        for name in {problem.key.casefold(), problem.id.casefold(), problem.cluster.casefold()} - {""}:
            names.setdefault(name, []).append(problem)
    return names


def _describe_unknown(file: Path, unknown: Sequence[Answers], names: dict[str, list[Problem]]) -> str:
    distinct = list(dict.fromkeys((str(answer.name), answer.language) for answer in unknown))
    known = list(dict.fromkeys(problem.id for found in names.values() for problem in found))
    named = []
    for name, language in distinct[:_NUM_NAMED]:
        if found := names.get(name.casefold()):
            named.append(f"{name} in {language} (known in {', '.join(dict.fromkeys(p.language for p in found))})")
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        named.append(f"{name} (nearest: {near[0]})" if near else name)
    return (
        f"completions: {file} names {len(distinct)} unknown problems: {_listed(named, len(distinct))}; "
        "choose the benchmark and languages that it was made for"
    )


def _require_all(problems: Sequence[Problem], file: Path, texts: dict[str, list[tuple[str, bool]]]) -> int:
    """The number of samples of every problem; raises ConfigError when it is not the same for all."""
    num_samples = max(1, *(len(texts[problem.key]) for problem in problems))
    short = [problem.key for problem in problems if len(texts[problem.key]) < num_samples]
    if short:
        named = [f"{key} ({len(texts[key])} of {num_samples})" for key in short[:_NUM_NAMED]]
        raise ConfigError(
            f"completions: {file} lacks completions of {len(short)} problems: {_listed(named, len(short))}; "
            "add them, empty ones where the model gave none"
        )
    return num_samples


def _listed(named: list[str], count: int) -> str:
    return ", ".join(named) + (f" and {count - len(named)} more" if count > len(named) else "")


def _completion(problem: Problem, text: str, chat: bool, is_whole: bool) -> Completion:
    if chat or is_whole_answer(problem, text, is_program=is_whole):
        return Completion(completion_of_answer(problem, text), Finish.end)
    rest = after_prompt(problem, text)
    cut = cut_at_stop(rest, problem.stop)
    return Completion(cut, Finish.stop if len(cut) < len(rest) else Finish.end)
