"""Where nearly all programs of a model fail alike before they run: the end or form of answers may be at fault.

A model trained on answers without their end goes on after a right function, and nothing of what it wrote parses.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from multipl_judge.judge.outcome import Outcome
from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.completer import Completion, Finish, SampleKey
from multipl_moe.runs.verdict import Built, FormFault, Verdict

_FEWEST = 10  # programs that say anything
_MOST = 0.8  # share that must not build, where a model before is known
_FEW_BEFORE = 0.5  # share of the model before that did not build: below it, the fault is new
_MOST_ALONE = 0.9  # share that must not build, without a model before
_WITH_SIGN = 0.5  # share of these with a sign of wrong form, without a model before
_FENCE = "```"
_SHOWN_CHARACTERS = 160
_REMEDY = (
    "train on answers with their end-of-text token, take answers of a chat with --chat, or let stop strings or more "
    "tokens (codegen.max_new_tokens) end them"
)


def form_faults(
    verdict: Verdict,
    problems: Sequence[Problem],
    samples: Mapping[SampleKey, Completion],
    details: Mapping[SampleKey, Mapping[str, Any]],
) -> list[FormFault]:
    """The sets and languages whose programs nearly all do not parse or compile for what seems to be their form.

    That is where four of five do not, and fewer than half of the model before; or, without such a model, where nine of
    ten do not, and half of these hold no code, or a code fence, or end only because they have all tokens.
    Ten programs are needed. `samples` and `details` tell what was written, and what became of it.
    """
    places = {problem.key: (problem.language, problem.benchmark) for problem in problems}
    failed: dict[tuple[str, str], list[SampleKey]] = {}
    for key, detail in details.items():
        if key in samples and detail["stage"] == "compile" and detail["outcome"] != Outcome.harness_error:
            failed.setdefault(places[key[0]], []).append(key)
    faults = []
    for (language, benchmark), keys in failed.items():
        after, before = (_built(one, language, benchmark) for one in (verdict, verdict.before))
        if after is None:
            continue
        by_length = {key for key in keys if samples[key].finish == Finish.length}
        signs = {
            "hold no code": [key for key in keys if key not in by_length and not samples[key].text.strip()],
            "hold a code fence": [key for key in keys if _FENCE in samples[key].text],
            "end by length": [key for key in keys if key in by_length and samples[key].text],
        }
        if not _is_fault(after, before, len({key for found in signs.values() for key in found})):
            continue
        shown = next((found[0] for found in signs.values() if found), keys[0])
        fault = FormFault(
            language=language,
            benchmark=benchmark,
            **vars(after),
            before=before,
            signs={sign: len(found) for sign, found in signs.items() if found},
            key=shown[0],
            sample=shown[1],
            error=_first_error(details[shown]["output"]),
            sentence="",
        )
        faults.append(fault.but(sentence=_sentence(verdict.languages[language].title, fault)))
    return faults


def _built(verdict: Verdict | None, language: str, benchmark: str) -> Built | None:
    """Samples of a set in a language, and how many do not parse or compile; None where none is told."""
    cell = None if verdict is None else verdict.cell(language, benchmark)
    if cell is None or (not_built := cell.failures["not_built"]) is None:
        return None
    return Built(samples=cell.samples, not_built=not_built)


def _is_fault(after: Built, before: Built | None, num_with_sign: int) -> bool:
    samples, failed = after.samples, after.not_built
    if before is not None:
        is_new = before.not_built < _FEW_BEFORE * before.samples
        return samples >= _FEWEST and failed >= _MOST * samples and is_new
    return samples >= _FEWEST and failed >= _MOST_ALONE * samples and num_with_sign >= _WITH_SIGN * failed


def _first_error(output: str) -> str:
    """The first line that speaks of an error, else the first that is not blank, as text that a terminal can show."""
    lines = ["".join(c if c.isprintable() else " " for c in line).strip() for line in output.split("\n")]
    told = [line for line in lines if re.search("error", line, re.IGNORECASE)] or [line for line in lines if line]
    return told[0][:_SHOWN_CHARACTERS] if told else ""


def _sentence(title: str, fault: FormFault) -> str:
    before = fault.before
    was = "" if before is None else f" (of the model before {before.not_built} of {before.samples})"
    signs = "".join(f", {count} {sign}" for sign, count in fault.signs.items())
    return (
        f"{title}, {fault.benchmark}: {fault.not_built} of {fault.samples} programs do not parse or "
        f"compile{was}{signs}: the end or the form of the answers is likely at fault, not what the model knows; "
        f"{_REMEDY}. {fault.key} says: {fault.error}"
    )
