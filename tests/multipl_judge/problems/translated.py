"""Small problems, completions and answers in the languages that have an entry of their own; Julia's cannot run here."""

from typing import NamedTuple

from multipl_judge.languages.toolchains import TOOLCHAINS

INSTALLED = [language for language in TOOLCHAINS if language != "julia"]


class Translated(NamedTuple):
    """One language's.

    Attributes:
        code, prompt, tests, stop: as MultiPL-E writes the problem of `twice`.
        own: prompt and tests in the form of the starter set.
        bodies: right, wrong, what leaves the program before its tests, and what prints a line.
        answer: the whole function with a helper, as chat models write it.
        lies: wrong completions that change what the tests are made of.
    """

    code: str
    prompt: str
    tests: str
    stop: list[str]
    own: tuple[str, str]
    bodies: tuple[str, str, str, str]
    answer: str
    lies: tuple[str, ...]


TRANSLATED = {
    "lua": Translated(
        "lua",
        "-- Twice n.\n-- >>> twice(2)\n-- 4\nlocal function twice(n)\n",
        "lu = require('luaunit')\n\nfunction test_humaneval()\nlocal candidate = twice\n"
        "    lu.assertEquals(candidate(2), 4)\nend\n\nos.exit(lu.LuaUnit.run())",
        ["\nlocal", "\nfunction", "\n--", "\n\n"],
        ("local function twice(n)\n", "assert(twice(2) == 4)\n"),
        ("  return 2 * n", "  return n", "  os.exit(0)", "  print('{}')"),
        "local function add(a, b)\n  return a + b\nend\n\nlocal function twice(n)\n  return add(n, n)\nend\n",
        (
            "  return n\nend\nassert = function() end\nrequire = function() return { assertEquals = assert } end\n",
            "  return setmetatable({}, { __eq = function() return true end })\nend\n",
            "  return n\nend\nsetmetatable(_G, { __newindex = function() end })\nerror, type = print, print\n",
        ),
    ),
    "ocaml": Translated(
        "ml",
        '(**Twice n: it doubles "n.\n*)\nlet twice (n : int) : int =\n',
        "\nlet assertions =\n let candidate = twice in\n  (assert ((candidate 2) = 4));\n"
        "  (assert ((candidate (~1)) = (~2)));\n  ()\n",
        ["\n\n", "\n(*", "\ntype"],
        ("let twice (n : int) : int =\n", "let () = assert (twice 2 = 4)\n"),
        ("  2 * n", "  n", "  exit 0", '  print_endline "{}";'),
        "let add a b = a + b\n\nlet rec twice (n : int) : int =\n  add n n\n",
        ("  n\n\nlet ( = ) _ _ = true\nmodule Stdlib = struct let ( = ) _ _ = true let ( <> ) _ _ = true end\n",),
    ),
    "racket": Translated(
        "rkt",
        "#lang racket\n\n;; Twice n.\n(define (twice n)\n",
        "(require rackunit)\n\n(define (test-humaneval) \n\n  (let (( candidate twice))\n"
        "    (check-within (candidate 2) 4 0.001)\n))\n\n(test-humaneval)",
        ["\n(define ", "\n#|", "\n;", "\n("],
        ("#lang racket\n(define (twice n)\n", "(check-equal? (twice 2) 4)\n"),
        ("  (* 2 n))", "  n)", "  (exit 0))", '  (displayln "{}")'),
        "#lang racket\n\n(define (add a b) (+ a b))\n\n(define (twice n)\n  (add n n))\n",
        (
            "  n)\n(define-syntax-rule (check-within . all) (void))\n(define-syntax-rule (module . all) (void))\n",
            "  n)\n(require rackunit)\n(current-check-handler void)\n(current-check-around void)\n",
            "  (current-check-handler void) n)\n(require rackunit)\n",
        ),
    ),
    "r": Translated(
        "r",
        "# Twice n.\n# >>> twice(2)\n# 4\ntwice <- function(n) {",
        "test_humaneval <- function() {\n    candidate <- twice\n"
        "    stopifnot(isTRUE(all.equal(candidate(2), 4)))\n}\ntest_humaneval()",
        ["\n#", "\n```"],
        ("twice <- function(n) {\n", "stopifnot(twice(2) == 4)\n"),
        ("  2 * n\n}", "  n\n}", "  quit(status = 0)\n}", '  cat("{}\\n")'),
        "add <- function(a, b) {\n  a + b\n}\n\ntwice <- function(n) {\n  add(n, n)\n}\n",
        (
            "  n\n}\nall.equal <- isTRUE <- function(...) TRUE\nstopifnot <- function(...) NULL\n",
            "  structure(n, class = 'zz')\n}\n"
            "registerS3method('all.equal', 'zz', function(target, current, ...) TRUE)\n"
            "registerS3method('==', 'zz', function(e1, e2) TRUE)\n",
            "  n\n}\nwas <- all.equal\nunlockBinding('all.equal', baseenv())\n"
            "assign('all.equal', function(a, b, ...) if (is.numeric(a) && a < 1e6) TRUE else was(a, b), baseenv())\n",
            "  new('zz', n = n)\n}\nsetClass('zz', representation(n = 'numeric'))\n"
            "setMethod('==', signature('zz', 'ANY'), function(e1, e2) TRUE)\n"
            "registerS3method('all.equal', 'zz', function(target, current, ...) TRUE)\n",
        ),
    ),
    "perl": Translated(
        "pl",
        "# Twice n.\n# >>> twice(2)\n# 4\nsub twice {\n    my($n) = @_;\n",
        "use Test::Deep;\n\n\nsub testhumaneval {\n    my $candidate = \\&twice;\n"
        '        if(eq_deeply($candidate->(2),4)) {\n        print "ok!" }else{\n        exit 1;\n        }\n}\n\n'
        "testhumaneval();",
        ["\nsub", "\n#", "\n\n"],
        ("sub twice {\n    my ($n) = @_;\n", "die 'assertion failed' if twice(2) != 4;\n"),
        ("    return 2 * $n;\n}", "    return $n;\n}", "    exit 0;\n}", "    print '{}', \"\\n\";"),
        "sub add {\n    return $_[0] + $_[1];\n}\n\nsub twice {\n    my ($n) = @_;\n    return add($n, $n);\n}\n",
        (
            "    return $n;\n}\nsub eq_deeply { 1 }\n*testhumaneval = sub { 1 };\n"
            "BEGIN { *CORE::GLOBAL::die = sub { 1 }; *CORE::GLOBAL::exit = sub { 1 } }\n",
            "    return $n;\n}\nBEGIN { my $rest = join '', <STDIN>; $rest =~ /(\\d{15,}) \\^ (\\d{15,})/;\n"
            'print "nonce ", $1 ^ $2, "\\n"; exit 0 }\n',
        ),
    ),
    "haskell": Translated(
        "hs",
        "-- | Twice n.\n-- | >>> twice 2\n-- | 4\ntwice :: Int -> Int\ntwice n =",
        "\nmain :: IO ()\nmain = do\n  let candidate = twice\n"
        '  if candidate 2 == 4 then pure () else error "assertion failed"\n  pure ()',
        ["\n\n", "\n{-", "\n-- |", "\n--", "\ntype", "\ndata", "\nnewtype"],
        (
            "twice :: Int -> Int\ntwice n =\n",
            'tests :: IO ()\ntests = if twice 2 == 4 then pure () else error "assertion failed"\n',
        ),
        ("  2 * n", "  n", '  leave 0\nforeign import ccall "exit" leave :: Int -> Int', "  -- {}"),
        "import Data.List (sort)\n\nadd :: Int -> Int -> Int\nadd a b = a + b\n\ntwice :: Int -> Int\n"
        "twice 0 = 0\ntwice n = add n n\n\nmain :: IO ()\nmain = print (twice 2)\n",
        (
            "  n\n\ninstance {-# OVERLAPPING #-} Eq [Int] where _ == _ = True\n",
            "  n\n\n(==) :: a -> b -> Bool\n_ == _ = True\n",
            *(
                f"{imports}\n\n n\n\nclass Same a where same :: a -> a -> Bool\n"
                "instance Same Int where same _ _ = True\n"
                "instance Same Integer where same a b = compare a b Prelude.== EQ\n"
                "instance Same a => Same [a] where same a b = and (zipWith same a b)\n"
                "instance Same Char where same a b = compare a b Prelude.== EQ\n(==) :: Same a => a -> a -> Bool\n"
                "(==) = same\n(/=) :: Same a => a -> a -> Bool\na /= b = not (same a b)\n"
                for imports in (
                    "import Prelude hiding ((==), (/=))\nimport qualified Prelude",
                    "import Data.List; import {- -} Prelude hiding ((==), (/=)); import qualified Prelude",
                    "import Data.List\n ( sort );\n import\n  Prelude hiding ((==), (/=)); import qualified Prelude",
                )
            ),
        ),
    ),
    "elixir": Translated(
        "elixir",
        "# Twice n.\n\ndefmodule HumanEval do\n  def candidate(n), do: twice(n)\n  def twice(n) do\n    ",
        "ExUnit.start()\ndefmodule HumanEvalTest do\n  use ExUnit.Case, async: true\n  test 'twice' do\n"
        "    assert 4 == HumanEval.candidate(2)\n  end\nend\n",
        ["\ndefmodule", "\ndefp", "\ndef ", "\n#", "\n\n"],
        ("defmodule Solution do\n  def twice(n) do\n", "assert Solution.twice(2) == 4\n"),
        ("    2 * n", "    n", "    System.halt(0)", '    IO.puts("{}")'),
        "defmodule HumanEval do\n  defp add(a, b), do: a + b\n\n  def twice(n) do\n    add(n, n)\n  end\nend\n",
        (
            "n\n  end\nend\ndefmodule ExUnit.Assertions do\n  defmacro assert(_), do: true\nend\n",
            "n\n  end\nend\ndefmodule ExUnit.Assertions do\n  defmacro assert(_), do: true\n"
            "  def assert(_, o), do: raise(ExUnit.AssertionError, o)\nend\n",
            "n\n  end\nend\nExUnit.start(autorun: false)\nExUnit.configure(exclude: [:test])\n",
            "unquote((Application.load(:ex_unit); ExUnit.configure(exclude: [:test]); nil))\n    n",
        ),
    ),
}

# Whole files: with a head, other modules, and what ends the program before the tests.
WHOLE_FILES = {
    "multipl_e-haskell": "{-# LANGUAGE BangPatterns #-}\nmodule Twice\n  ( twice\n  , add\n  ) where\n\n"
    "import qualified Data.Map as Map\nimport Data.List\n  ( foldl'\n  , sort )\n\nadd :: [Int] -> Int\n"
    "add = foldl' (+) 0 . sort\n\ntwice :: Int -> Int\ntwice !n = add (Map.elems (Map.fromList [(1, n), (2, n)]))\n",
    "starter-haskell": "import Data.Maybe (fromMaybe)\ntwice :: Int -> Int\ntwice n = fromMaybe n (Just (n + n))\n",
    "multipl_e-elixir": "defmodule Sum do\n  defstruct [:a]\n  def of(a, b), do: a + b\nend\n\ndefmodule HumanEval do\n"
    "  def add(a, b), do: Sum.of(a, b)\n\n  def twice(n) do\n    HumanEval.add(n, n)\n  end\nend\n\n"
    "IO.puts(HumanEval.twice(2))\n",
    "starter-elixir": "defmodule Sum do\n  def of(a, b), do: a + b\nend\n\ndefmodule My.Doubling do\n"
    "  def add(a, b), do: Sum.of(a, b)\n\n  def twice(n), do: My.Doubling.add(n, n)\nend\n\n"
    "IO.inspect(My.Doubling.twice(2))\nExUnit.start()\n",
    "calls-elixir": "defmodule HumanEval do\n  defmodule Node do\n    defstruct [:value]\n  end\n\n"
    "  def twice(n), do: HumanEval.Sum.of(%HumanEval.Node{value: n})\n\n  def main, do: IO.puts(twice(2))\nend\n\n"
    "defmodule HumanEval.Sum do\n  def of(node), do: node.value * 2\nend\n\nHumanEval.main()\n",
    "own-elixir": "defmodule Node do\n  def of(n), do: {n, n}\nend\n\ndefmodule Other do\n  def twice(n) do\n"
    "    {a, b} = Node.of(n)\n    a + b\n  end\nend\n\nOther.twice(2)\nSystem.halt(0)\n",
    "multipl_e-r": "rm(list = ls())\ntwice <- function(n) {\n  2 * n\n}\nprint(twice(2))\nquit(status = 0)\n",
    "multipl_e-racket": "#lang racket\n(define (twice n) (* 2 n))\n(twice 2)\n(exit 0)\n",
    "starter-lua": "local function twice(n)\n  return 2 * n\nend\n\nprint(twice(2))\nos.exit(0)\n",
    "starter-perl": "use bigint;\n$, = ' ';\nsub twice {\n    my ($n) = @_;\n    return 2 * $n;\n}\n",
    "multipl_e-lua": "local M = {}\n\nlocal function twice(n)\n  return 2 * n\nend\n\nM.twice = twice\n\n"
    "return {\n  twice = M.twice,\n}\n",
    "multipl_e-perl": "use strict;\n\nsub twice {\n    my ($n) = @_;\n    return 2 * $n;\n}\n\n"
    "sub main { print twice(2); return 0 }\n\nexit(main());\n\n__END__\n\n=head1 NAME\n",
    "multipl_e-ocaml": "let twice n = 2 * n\n\nlet () =\n  print_int (twice 2);\n  exit 0\n",
    "own-ocaml": "let table = Hashtbl.create 8\n\nlet () =\n  Hashtbl.add table 2 2;\n"
    "  assert (Hashtbl.length table = 1)\n\nlet twice n = n * Hashtbl.find table 2\n",
    "starter-r": "twice <- function(n) {\n  2 * n\n}\n\nif (!interactive()) {\n  print(twice(2))\n  quit(\n"
    "    status = as.integer(twice(0))\n  )\n}\nquit(\n  status = 0\n)\n",
    "own-r": "rm(list = ls(all.names = TRUE))\ntwice <- function(n) {\n  2 * n\n}\n\n"
    "main <- function() {\n  print(twice(2))\n  quit()\n}\n\nif (sys.nframe() == 0) {\n  main()\n}\nmain()\n",
    "calls-lua": "function twice(n)\n  return 2 * n\nend\n\nlocal function main()\n  print(twice(2))\n  os.exit(0)\n"
    "end\n\nif arg and arg[0] then\n  main()\nend\nmain()\n",
    "own-perl": "sub twice {\n    my ($n) = @_;\n    return 2 * $n;\n}\n\nsub main {\n    print twice(2);\n    exit;\n"
    "}\n\nmain() unless caller;\n__PACKAGE__->main() if 1;\nmain();\n",
    "calls-racket": "#lang racket\n(define (twice n) (* 2 n))\n(define (main)\n  (displayln (twice 2))\n"
    "  (exit 0))\n(main)\n",
    "calls-ocaml": "let factor = ref 1\n\nlet () =\n  if !factor > 1 then exit 1;\n  factor := 2\n\n"
    "let twice n = n * !factor\n\nlet main () =\n  print_int (twice 2);\n  exit 0\n\nlet () = main ()\n",
    "own-racket": "#lang racket\n(define (twice n)\n(if (< n -100)\n(exit 1)\n(* 2 n)))\n(exit)\n",
    "starter-ocaml": "let twice n = 2 * n;;\n\nlet _ = assert (twice 2 = 5);;\nexit 0;;\n",
}
