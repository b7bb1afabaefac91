"""Texts that change their kind, for benchmarks of the domain gate: built from files of Debian packages, by name.

Files are read out of the packages, which `apt-get download` fetches into the cache and nothing installs. No text is of
a package that the gate was fitted to. All sets are drawn with one seed, so that they are the same for all gates.
"""

import gzip
import random
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from multipl_judge.cache_folder import cache_folder
from multipl_moe.errors import UserError

LEARN = {
    "rust": (
        ".rs",
        "tokio hyper reqwest axum actix-web image rusqlite rayon serde-json clap-builder chrono crossbeam-channel",
        "librust-{}-dev",
    ),
    "go": (
        ".go",
        "gin-gonic-gin gorilla-mux spf13-cobra prometheus-client-golang hashicorp-raft sirupsen-logrus jmoiron-sqlx "
        "gorilla-websocket hashicorp-serf nats-io-go-nats labstack-echo miekg-dns urfave-cli",
        "golang-github-{}-dev",
    ),
    "ruby": (
        ".rb",
        "ruby-sinatra ruby-rack ruby-activerecord ruby-faraday ruby-sidekiq ruby-rspec-core ruby-mail puma jekyll "
        "ruby-thor ruby-sequel ruby-kramdown rubocop",
        "{}",
    ),
}
PYTHON = "python3-django python3-sphinx python3-flask python3-scrapy python3-sqlalchemy fail2ban"
PROSE = "cmake-data ruby-sequel golang-github-docker-docker-dev librust-actix-web-dev tcllib"
OTHER = {  # kind of text: packages and endings; the gate is fitted to none of these packages
    "R": ("r-cran-dplyr r-cran-stringr r-cran-shiny r-cran-ggplot2 r-cran-knitr", ".R"),
    "R Markdown": ("r-cran-dplyr r-cran-knitr r-cran-ggplot2", ".Rmd .Rnw"),
    "Lua": ("lua-penlight lua-busted", ".lua"),
    "Perl": ("perl-modules-5.40 libmojolicious-perl", ".pm"),
    "ERB": ("ruby-actionpack ruby-sidekiq jekyll ruby-capybara", ".erb"),
    "proto": ("golang-github-docker-docker-dev golang-k8s-api-dev libprotobuf-dev", ".proto"),
    "Tcl": ("tcllib", ".tcl"),
    "PHP": ("php-symfony-console php-twig phpunit", ".php"),
    "SQL": ("postgresql-17 librust-axum-dev", ".sql"),
    "LaTeX": ("texlive-latex-base", ".tex .sty .def"),
    "OCaml": ("libbatteries-ocaml-dev", ".ml"),
    "OCaml interfaces": ("libbatteries-ocaml-dev", ".mli"),
    "TypeScript": ("node-typescript node-undici", ".ts"),
    "CMake": ("cmake-data", ".cmake"),
    "Erlang": ("erlang-src", ".erl"),
    "Vim": ("vim-runtime", ".vim"),
    "JavaScript": ("node-express node-undici", ".js"),
    "C++ headers": ("libboost1.83-dev", ".hpp"),
    "C": ("erlang-src tcllib", ".c"),
    "YAML": ("ansible-core golang-k8s-api-dev rubocop ruby-sidekiq", ".yml .yaml"),
    "JSON": ("golang-github-docker-docker-dev golang-k8s-api-dev", ".json"),
    "settings": ("fail2ban", ".conf"),
    "TOML": ("librust-axum-dev librust-regex-dev", ".toml"),
    "patch": ("librust-reqwest-dev librust-tokio-dev librust-crossbeam-channel-dev", ".patch .diff"),
    "reStructuredText": ("cmake-data python3-scrapy", ".rst"),
    "HTML": ("ruby-haml python3-django libghc-aeson-doc", ".html"),
    "CSS": ("r-cran-knitr node-express r-cran-shiny", ".css .scss"),
    "Gherkin": ("ruby-rspec-core", ".feature"),
    "German": ("fortunes-de", ""),
    "Haskell": ("libghc-pandoc-doc libghc-aeson-doc", ".hs"),
    "Emacs Lisp": ("elpa-company", ".el"),
    "Scheme": ("guile-3.0-libs gauche", ".scm"),
    "templates": ("golang-github-gin-gonic-gin-dev python3-scrapy", ".tmpl"),
    "Python": (PYTHON, ".py"),
    "Java": ("erlang-src", ".java"),
}
RELATIVES = {  # the same, of languages that look like one to learn, or for which `upcycle` has samples
    "Crystal": ("crystal", ".cr"),
    "D": ("libphobos2-ldc-shared-dev", ".d"),
    "Racket": ("racket-common", ".rkt"),
    "Common Lisp": ("cl-alexandria cl-ironclad", ".lisp"),
    "Lua of an editor": ("neovim-runtime", ".lua"),
}
NAMES = {"rust": "Rust", "go": "Go", "ruby": "Ruby", "python": "Python"}
_A_ROW = 16  # texts a language in a set
_A_KIND = 16
_MOST_CHARACTERS = 6000
_SEED = 0


@dataclass(frozen=True)
class Text:
    """A text, and the characters at which a kind begins and ends.

    Attributes:
        kind: language or kind of what lies between.
        name: where it is from.
        text: all of it.
        begin, end: the characters that are of the kind.
    """

    kind: str
    name: str
    text: str
    begin: int
    end: int


def texts() -> dict[str, list[Text]]:
    """All sets by name, of each at most 16 texts a language or kind."""
    rng = random.Random(_SEED)
    files = {name: _of_language(name, rng) for name in LEARN}
    python = _files(PYTHON.split(), (".py",), rng, 64, 1500)
    prose = [(n, t) for n, t in _documents(PROSE.split(), rng) if "```" not in t[:2500] and "::" not in t[:2500]]
    found = {"files": _files_set(files), "other": _other_set(rng), "readme": _readmes(rng, files)}
    found |= _chats(rng, files, python)
    found |= _joins(files, python, prose)
    return found | {"relatives": _of_kinds(RELATIVES, rng)}


def package(name: str) -> Path:
    """The folder into which a Debian package's files were unpacked; fetched if they were not.

    Raises:
        UserError: it can't be fetched.
    """
    folder = cache_folder() / "gate-texts" / name
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            done = subprocess.run(["apt-get", "download", "-qq", name], cwd=temporary, capture_output=True, text=True)
            archives = list(Path(temporary).glob("*.deb"))
            if done.returncode or not archives:
                raise UserError(f"{name}: apt-get can't download it ({done.stderr.strip()[:200]})")
            subprocess.run(["dpkg-deb", "-x", archives[0], Path(temporary, "files")], check=True)
            shutil.move(Path(temporary, "files"), folder)
    return folder


def _read(file: Path) -> str | None:
    try:
        data = file.read_bytes()
        return (gzip.decompress(data) if file.suffix == ".gz" else data).decode().replace("\r\n", "\n")
    except (OSError, ValueError, EOFError):
        return None


def _files(
    packages: Iterable[str], endings: tuple[str, ...], rng: random.Random, most: int, fewest: int = 600
) -> list[tuple[str, str]]:
    """Names and texts of files, the packages in turn, so that none has much more than its part."""
    packages = list(packages)
    per_package = []
    for name in packages:
        found = sorted(p for p in package(name).rglob("*") if p.is_file() and not p.is_symlink() and _ends(p, endings))
        rng.shuffle(found)
        per_package.append((name, found))
    chosen: list[tuple[str, str]] = []
    taken, seen = Counter[str](), set[str]()
    for turn in range(max((len(found) for _, found in per_package), default=0)):
        for name, found in per_package:
            if turn < len(found) and taken[name] < -(-most * 2 // len(packages)) and len(chosen) < most:
                text = _read(found[turn])
                if text is not None and len(text) >= fewest and text[:400] not in seen:
                    seen.add(text[:400])
                    taken[name] += 1
                    chosen.append((f"{name}/{found[turn].relative_to(package(name))}", text[: 4 * _MOST_CHARACTERS]))
    return chosen


def _ends(path: Path, endings: tuple[str, ...]) -> bool:
    name = path.name.removesuffix(".gz")
    return any(name.endswith(ending) if ending else "." not in name for ending in endings)


def _of_language(name: str, rng: random.Random) -> list[tuple[str, str]]:
    ending, packages, pattern = LEARN[name]
    return _files([pattern.format(part) for part in packages.split()], (ending,), rng, 120, 1500)


def _files_set(files: dict[str, list[tuple[str, str]]]) -> list[Text]:
    return [
        Text(kind, name, text[:_MOST_CHARACTERS], 0, len(text[:_MOST_CHARACTERS]))
        for kind, found in files.items()
        for name, text in found[: 2 * _A_ROW]
    ]


def _of_kinds(kinds: dict[str, tuple[str, str]], rng: random.Random) -> list[Text]:
    found: list[Text] = []
    for kind, (packages, endings) in kinds.items():
        pairs = _files(packages.split(), tuple(endings.split()) or ("",), rng, _A_KIND)
        found += [Text(kind, name, text[:3000], 0, len(text[:3000])) for name, text in pairs]
    return found


def _other_set(rng: random.Random) -> list[Text]:
    found = _of_kinds(OTHER, rng)
    notes = [(n, t) for n, t in _documents(PROSE.split(), rng) if not re.search(r"```\s*(rust|go|ruby|rb)", t[:3000])]
    return found + [Text("Markdown", name, text[:3000], 0, len(text[:3000])) for name, text in notes[:_A_KIND]]


def _documents(packages: Iterable[str], rng: random.Random) -> list[tuple[str, str]]:
    return _files(packages, (".md", ".rst", ".txt", ".rdoc"), rng, 100, 1200)


_FENCE = re.compile(r"^```[ \t]*(rust|go|golang|ruby|rb)\b[^\n]*\n(.*?)^```", re.S | re.M)


def _readmes(rng: random.Random, files: dict[str, list[tuple[str, str]]]) -> list[Text]:
    """Documents with a fenced block of a language; where there are too few, their prose with a function in a fence."""
    packages = [p for _, names, pattern in LEARN.values() for p in map(pattern.format, names.split())]
    found: dict[str, list[Text]] = {kind: [] for kind in LEARN}
    documents = _files(packages, (".md", ".rdoc", ".markdown"), rng, 400, 600)
    for name, text in documents:
        if (match := _FENCE.search(text)) and 200 < match.start() < 4000 and len(match[2]) >= 120:
            kind = {"golang": "go", "rb": "ruby"}.get(match[1], match[1])
            found[kind].append(Text(kind, name, text[: match.end() + 700], match.start(2), match.end(2)))
    prose = [(n, t) for n, t in documents + _documents(PROSE.split(), rng) if "```" not in t[:1500]]
    for kind, texts in found.items():
        for (name, text), (_, _, body) in zip(prose, _functions(kind, files[kind]), strict=False):
            head = _cut(text, 400 + 200 * (len(texts) % 6)) + f"\n```{kind}\n"
            texts.append(Text(kind, name, f"{head}{body}```\n\n{text[1500:2200]}", len(head), len(head) + len(body)))
    return [text for texts in found.values() for text in texts[:_A_ROW]]


_FUNCTIONS = {
    "rust": r"((?:^[ \t]*///[^\n]*\n)+)(?:^[ \t]*#\[[^\n]*\n)*(^([ \t]*)(?:pub )?(?:async )?fn \w+.*?^\3\}\n)",
    "go": r"((?:^//[^\n]*\n)+)(^()func .*?^\}\n)",
    "ruby": r"((?:^[ \t]*# [^\n]*\n)+)(^([ \t]*)def \w+.*?^\3end\n)",
    "python": r"()(^()def \w+\(.*?(?=^\S))",
}


def _functions(kind: str, files: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Names of files, descriptions and bodies of functions, two a file at most."""
    found: list[tuple[str, str, str]] = []
    for name, text in files:
        taken = 0
        for match in re.finditer(_FUNCTIONS[kind], text, re.S | re.M):
            indent = len(match[3])
            body = "\n".join(line[indent:] if line[:indent].isspace() else line for line in match[2].split("\n"))
            words = " ".join(re.sub(r"^\s*(///|//|#)\s?", "", line) for line in match[1].strip().split("\n"))
            if 200 <= len(body) <= 1600 and len(words) <= 400 and (kind == "python" or len(words) >= 20) and taken < 2:
                found.append((name, words, body))
                taken += 1
    return found


_QUESTIONS = (
    "Write a {} function that does the following: {}",
    "I need this in {}: {} How would you write it?",
    "{1}\n\nPlease answer with a {0} function.",
    "How do I do this in {}? {}",
)
_ANSWERS = (
    "Here is the function in {}:\n\n",
    "Sure! In {} you can write it like this.\n\n",
    "You could do this:\n\n",
    "",
)


def _chats(
    rng: random.Random, files: dict[str, list[tuple[str, str]]], python: list[tuple[str, str]]
) -> dict[str, list[Text]]:
    """Chats in ChatML: the answer's code in a fence that names the language, in one that does not, or in none."""
    found: dict[str, list[Text]] = {"chat fenced": [], "chat plain": [], "chat other": []}
    for kind, pairs in [*files.items(), ("python", python)]:
        functions = _functions(kind, pairs[2 * _A_ROW :] if kind != "python" else pairs)
        rng.shuffle(functions)
        for index, (name, words, body) in enumerate(functions[:_A_ROW]):
            words = words or "parse the input and return the result as a list"
            question = _QUESTIONS[index % 4].format(NAMES[kind], words)
            head = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n" + _ANSWERS[index % 3].format(
                NAMES[kind]
            )
            tail = "\nThis function does what you asked for. Tell me if I should explain how it works.<|im_end|>\n"
            forms = {"chat fenced": (f"```{kind}\n", "```\n"), "chat plain": (("", "```\n")[index % 2], "")}
            for form, (opening, closing) in forms.items():
                if form == "chat plain" and opening:
                    closing = "```\n"
                begin = len(head) + len(opening)
                text = Text(kind, name, head + opening + body + closing + tail, begin, begin + len(body))
                found["chat other" if kind == "python" else form].append(text)
    return found


def _joins(
    files: dict[str, list[tuple[str, str]]], python: list[tuple[str, str]], prose: list[tuple[str, str]]
) -> dict[str, list[Text]]:
    found: dict[str, list[Text]] = {}
    number = 0
    for kind, pairs in files.items():
        for index in range(_A_ROW):
            name, code = pairs[(2 * _A_ROW + index) % len(pairs)]
            other_name, other = python[number % len(python)]
            prose_name, words = prose[number % len(prose)]
            number += 1
            rows = [
                ("python, then", f"{other_name} + {name}", kind, _cut(other, 900), _cut(_body(code), 1500)),
                ("long python, then", f"{other_name} + {name}", kind, _cut(other, 3000), _cut(_body(code), 2000)),
                ("prose, then", f"{prose_name} + {name}", kind, _cut(words, 900), _cut(_body(code), 1500)),
                ("then python", f"{name} + {other_name}", "python", _cut(code, 900), _cut(other, 2000)),
                ("then prose", f"{name} + {prose_name}", "prose", _cut(code, 900), _cut(words, 2000)),
            ]
            for form, where, what, first, second in rows:
                text = Text(what, where, first + "\n" + second, len(first) + 1, len(first) + 1 + len(second))
                found.setdefault(form, []).append(text)
    return found


def _body(code: str) -> str:
    """A file without a long comment at its head."""
    lines = code.split("\n")
    first = next(
        (i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith(("//", "#", "/*", "*"))), 0
    )
    return "\n".join(lines[first:])


def _cut(text: str, most: int) -> str:
    return text[: text.rfind("\n", 0, most) + 1] or text[:most]
