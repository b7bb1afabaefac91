"""OCaml: compiled to bytecode, which is the cheapest way to run it and tells what does not compile.

MultiPL-E writes numbers, options and types of pairs that are no OCaml: (~1), (~1).5, .5, Some(None), (int, int) list.
"""

from multipl_judge.languages.entry import Entry, Harness, Language
from multipl_judge.languages.toolchain import Reference, Toolchain

# `open!` gives every name of the library its meaning again, whatever the completion made of it.
_ENDING = r"""
let () =
  $tests
  Harness.(
    let differ a b = not (a = b) && a <> b && compare a b <> 0 && not (a == b) in
    let bites = try assert ($one = $two); false with Assert_failure _ -> true in
    if bites && differ $one $two && differ [$one] [$two] && differ "$one" "$two" then
      print_string ("\nnonce " ^ string_of_int ($first lxor $second) ^ "\n"))
"""
_ANSWERS = r"""
module Harness_json = struct
  open! Harness
  let escaped letter = if letter < ' ' || letter = '"' || letter = '\\'
    then Printf.sprintf "\\u%04x" (Char.code letter) else String.make 1 letter
  let string text = "\"" ^ String.concat "" (List.map escaped (List.of_seq (String.to_seq text))) ^ "\""
  let char letter = string (String.make 1 letter)
  let int = string_of_int
  let float = Printf.sprintf "%.17g"
  let bool = string_of_bool
  let list show values = "[" ^ String.concat "," (List.map show values) ^ "]"
  let array show values = list show (Array.to_list values)
  let option show = function None -> "null" | Some value -> show value
end
let () = Harness.print_string ("\n$mark" ^ Harness_json.($show) ($call) ^ "\n"); Harness.flush Harness.stdout
"""

ENTRY = Entry(
    Language(
        "OCaml",
        (".ml", ".mli"),
        ("/usr/lib/*/ocaml/[0-9]*", "/usr/lib/ocaml", "~/.opam/*/lib/ocaml"),
        "LGPL-2.1-or-later WITH OCaml-LGPL-linking-exception",
        ("ocaml",),
        line_comment=None,
        block_comment=("(*", "*)"),
        interpreters=("ocaml", "ocamlrun"),
        content_labels=("ocaml",),
    ),
    Toolchain(
        executables={
            "compiler": ("/usr/bin/ocamlc.opt", "/usr/bin/ocamlc", "/usr/local/bin/ocamlc", "~/.opam/*/bin/ocamlc"),
            "runner": ("/usr/bin/ocamlrun", "/usr/local/bin/ocamlrun", "~/.opam/*/bin/ocamlrun"),
        },
        version=("{compiler}", "-version"),
        compile=("{compiler}", "-w", "-a", "{options}", "-o", "{folder}/main", "{folder}/{source}"),
        source="main.ml",
        run=("{runner}", "{folder}/main"),
        forks=False,
        packages=("ocaml",),
        failed_assertion=r"Assert_failure|Assertion failed",
        reference=Reference(
            "let twice (x : int) : int = BODY\n\nlet () = assert (twice 21 = 42)\n"
            'let () = Printf.printf "nonce %d\\n" (FIRST lxor SECOND)\n',
            right="2 * x",
            wrong="x",
            early="exit 0",
        ),
    ),
    Harness(
        opening="module Harness = Stdlib\n",
        guard="let harness_tested = $name\nopen! Harness\nlet $name = harness_tested\n",
        ending=_ENDING,
        answers=_ANSWERS,
        stop=("\nlet ", "\ntype ", "\nmodule ", "\nopen ", "\n;;", "\n(*", "\n```"),
        closing="\n",
        broken='  failwith "broken on purpose"',
        multipl_e=(
            (r"\(~(\d+)\)\.(\d*)", r"(-\1.\2)"),
            (r"\(~(?=[\d.])", "(-"),
            (r"([\[(;=] ?)\.(?=\d)", r"\g<1>0."),
            (r"\bSome\(None\)", "None"),
            (r"\(([\w *]+), ([\w *]+)\) list\b", r"(\1 * \2) list"),
            (r"\bSome(\((?:[^()]|\([^()]*\))*\))", r"(Some \1)"),
        ),
    ),
    comments=r"\(\*(?:.*?\*\)|.*)",
    literals=r"\"(?:\\.|[^\"\\])*+\"|'(?:\\[^'\n]{1,4}|[^'\\\n])'",
    definition=r"\b(?:let\s+(?:rec\s+)?|and\s+){name}\b(?!')",
    word=r"[\w']+",
    # What ends the program, what runs a main, and what tries the function and may fail.
    whole_changes=(
        (
            r"(?ms)^let\s+(?:\(\)|_)\s*=(?=(?:(?!^\S).)*?"
            r"(?:\bexit\b[^;\n]*[;\s]*(?:^\S|\Z)|\bassert\b(?:(?!^\S).)*?\b$name\b))(?:(?!^\S).)*",
            "",
        ),
        (r"(?m)^let\s+(?:\(\)|_)\s*=\s*main\s*\(\)[ \t;]*$", ""),
        (r"(?m)^(?:;;[ \t]*)?(?:exit|assert)\b[^\n]*$", ""),
    ),
)
