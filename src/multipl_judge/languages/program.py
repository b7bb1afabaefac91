"""One program to judge, and the nonce by which it proves that its tests ran to their end."""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from random import Random

_NONCE_BITS = 62
_CONTROL_DIGITS = 6
# In what is not the harness's, "arness" is written with this in its middle for a while: another word, but still a word.
_MARK = "0m4rk0"


@dataclass(frozen=True)
class Nonce:
    """Two random numbers; the program holds both and prints their exclusive or after its last test.

    An exit code alone proves nothing: `exit(0)` before the tests gives 0 too. The text that counts stands neither in
    the source nor among the strings of a binary, and nobody can print it who does not compute it. The numbers have
    62 bits so that they fit the signed 64-bit integers of every language.
    """

    first: int
    second: int

    @property
    def text(self) -> str:
        """The line that the program must print last, and once."""
        return f"nonce {self.first ^ self.second}"

    @property
    def name(self) -> str:
        """A word of lower-case letters and digits that tells of the nonce nothing; names of the harness hold it."""
        return sha256(f"{self.first} {self.second}".encode()).hexdigest()[:12]

    @property
    def mark(self) -> str:
        """What a line with an answer begins with; nobody can foresee it."""
        return f"answer {self.name} "

    def numbers(self, count: int) -> list[int]:
        """Different numbers of six digits for the controls of a program, which tell of the nonce nothing."""
        span = range(10 ** (_CONTROL_DIGITS - 1), 10**_CONTROL_DIGITS)
        return Random(f"controls {self.name}").sample(span, count)

    @classmethod
    def draw(cls) -> "Nonce":
        """A nonce that no program can foresee."""
        return cls(secrets.randbits(_NONCE_BITS), secrets.randbits(_NONCE_BITS))


@dataclass(frozen=True)
class Program:
    """One whole program in one language.

    Attributes:
        language: key of the toolchain.
        source: the main source file, with the tests and the code that prints the nonce.
        nonce: what it must print when its tests are done.
        options: more arguments of the compiler, such as "-std=c++17".
        wants: names of extras of the toolchain that it needs, such as "javatuples".
        files: path and text of each file that `Toolchain.test` finds in the folder; it then prints no nonce.
        cases: what it must print for each standard input, where it is judged by that; it then prints no nonce.
        tolerance: if it is given, the cases are calls that the program makes itself, and what each must answer, as
            JSON: it prints each answer after `nonce.mark`. Numbers with a point may differ by it (`judge.answers`).
    """

    language: str
    source: str
    nonce: Nonce
    options: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    cases: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    tolerance: float | None = None


def own_words(text: str) -> str:
    """A text of others, in which names such as the harness's are not yet the harness's; see `with_drawn_names`."""
    return text.replace("arness", f"ar{_MARK}ness")


def with_drawn_names(source: str, nonce: Nonce) -> str:
    """A program whose harness has names that nobody can foresee: `harness_tests` is `harness0f3_tests`.

    Args:
        source: what others wrote has gone through `own_words`, and comes out as it was.
    """
    return source.replace("arness", f"arness{nonce.name}").replace(f"ar{_MARK}ness", "arness")


def python_literal(text: str) -> str:
    """A text as Python writes it, in which no escape makes a name such as the harness's: "\\x1a" before "rness"."""
    return repr(text).replace("arness", "a\\x72ness")
