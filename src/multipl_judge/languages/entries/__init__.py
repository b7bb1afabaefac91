"""The languages that have a file of their own, beside the older ones of the tables: a file each, named here."""

from multipl_judge.languages.entries import elixir, haskell, julia, lua, ocaml, perl, r, racket
from multipl_judge.languages.entry import Entry

ENTRIES: dict[str, Entry] = {
    "lua": lua.ENTRY,
    "ocaml": ocaml.ENTRY,
    "racket": racket.ENTRY,
    "r": r.ENTRY,
    "perl": perl.ENTRY,
    "haskell": haskell.ENTRY,
    "elixir": elixir.ENTRY,
    "julia": julia.ENTRY,
}
