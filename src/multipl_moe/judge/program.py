"""A program to judge."""

from dataclasses import dataclass

from multipl_moe.languages.nonce import Nonce


@dataclass(frozen=True)
class Program:
    """One whole program in one language.

    Attributes:
        language: key of the toolchain.
        source: the main source file, with the tests and the code that prints the nonce.
        nonce: what it must print when its tests are done.
        options: more arguments of the compiler, such as "-std=c++17".
        wants: names of extras of the toolchain that it needs, such as "javatuples".
    """

    language: str
    source: str
    nonce: Nonce
    options: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
