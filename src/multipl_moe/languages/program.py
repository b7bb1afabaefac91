"""One program to judge, and the nonce by which it proves that its tests ran to their end."""

import secrets
from dataclasses import dataclass

_NONCE_BITS = 62


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
    """

    language: str
    source: str
    nonce: Nonce
    options: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    cases: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
