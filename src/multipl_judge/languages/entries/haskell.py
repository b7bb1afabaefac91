"""Haskell: compiled, not optimised."""

from multipl_judge.languages.entry import Entry, Harness, Language
from multipl_judge.languages.toolchain import Reference, Toolchain

_OPENING = (
    "import qualified Data.Bits as HarnessBits; import qualified GHC.Num as HarnessNum; "
    "import qualified Data.List as HarnessList; import qualified System.IO as HarnessIO\n"
)
_ENDING = r"""
main :: IO ()
main = do
  $tests
  let differ a b = not (a == b) && a /= b
  if differ ($one :: HarnessNum.Integer) $two && differ [$one] [$two :: HarnessNum.Integer] && differ "$one" "$two"
    then HarnessIO.putStr "\nnonce " >> HarnessIO.print (HarnessBits.xor $first ($second :: HarnessNum.Integer))
    else pure ()
"""
_ANSWERS = r"""
class HarnessJson a where
  harnessJson :: a -> String
  harnessJsons :: [a] -> String
  harnessJsons values = "[" ++ HarnessList.intercalate "," (map harnessJson values) ++ "]"
instance HarnessJson Bool where harnessJson value = if value then "true" else "false"
instance HarnessJson Int where harnessJson = show
instance HarnessJson Integer where harnessJson = show
instance HarnessJson Double where harnessJson = show
instance HarnessJson Float where harnessJson = show
instance HarnessJson Char where
  harnessJson letter = harnessJsons [letter]
  harnessJsons text = "\"" ++ concatMap escaped text ++ "\""
    where
      escaped letter | letter < ' ' || letter `elem` "\"\\" = "\\u" ++ digits 4 (fromEnum letter)
                     | otherwise = [letter]
      digits number code = if number == 0 then "" else digits (number - 1) (code `div` 16) ++ [hex !! (code `mod` 16)]
      hex = "0123456789abcdef"
instance HarnessJson a => HarnessJson [a] where harnessJson = harnessJsons
instance HarnessJson a => HarnessJson (Maybe a) where harnessJson = maybe "null" harnessJson
instance (HarnessJson a, HarnessJson b) => HarnessJson (a, b) where
  harnessJson (a, b) = "[" ++ harnessJson a ++ "," ++ harnessJson b ++ "]"

main :: IO ()
main = do
  HarnessIO.putStrLn ("\n$mark" ++ harnessJson ($call)) >> HarnessIO.hFlush HarnessIO.stdout
"""
# No instance of the completion's own for [Int] and the like, which would go before the library's in the tests.
_NO_OWN_EQUALITY = ("-XNoFlexibleInstances", "-XNoTypeSynonymInstances")

ENTRY = Entry(
    Language(
        "Haskell",
        (".hs", ".hsc", ".hs-boot"),
        line_comment="--",
        block_comment=("{-", "-}"),
        interpreters=("runhaskell", "runghc", "stack"),
        content_labels=("haskell",),
    ),
    Toolchain(
        executables={"compiler": ("/usr/bin/ghc", "/usr/local/bin/ghc", "~/.ghcup/bin/ghc")},
        version=("{compiler}", "--version"),
        compile=(
            *("{compiler}", "-v0", "-O0", "-w", *_NO_OWN_EQUALITY, "{options}", "-outputdir", "{folder}/out"),
            *("-o", "{folder}/main", "{folder}/{source}"),
        ),
        source="main.hs",
        run=("{folder}/main",),
        forks=False,
        packages=("ghc",),
        folders=("/var/lib/ghc",),
        failed_assertion=r"assertion failed",
        environment={"LC_ALL": "C.UTF-8"},
        reference=Reference(
            "import Data.Bits (xor)\nimport System.Exit (exitSuccess)\nimport System.IO.Unsafe (unsafePerformIO)\n\n"
            "twice :: Int -> Int\ntwice x = BODY\n\nmain :: IO ()\nmain = do\n"
            '  if twice 21 == 42 then pure () else error "assertion failed"\n'
            '  putStrLn ("nonce " ++ show (xor FIRST SECOND :: Int))\n',
            right="2 * x",
            wrong="x",
            early="unsafePerformIO exitSuccess",
        ),
    ),
    Harness(
        opening=_OPENING,
        ending=_ENDING,
        answers=_ANSWERS,
        stop=("\nmain", "\n-- |", "\n{-", "\n```"),
        closing="\n",
        broken='  error "broken on purpose"',
        call="tests",
        multipl_e=((r"(?m)^main\b", "tests"),),
    ),
    comments=r"--[^\n]*+|\{-(?:.*?-\}|.*)",
    literals=r"(?<!\\)\"(?:\\.|[^\"\\])*+\"|'(?:\\[^'\n]{1,6}|[^'\\\n])'",
    definition=r"^{name}(?![\w'])[^\n]*(?:::|=|\|)|^{name}\s*$",
    word=r"[a-z_][\w']*",
    whole=" answer_$name $arguments\n$code",
    whole_changes=(
        (r"(?ms)^module\b.*?\bwhere\b", ""),
        (r"(?m)^import\b[^\n]*\n(?:[ \t]+[^\s][^\n]*\n)*", ""),
        (r"(?ms)^main\b.*?(?=^\S|\Z)", ""),
        (r"(?ms)^main\b.*?(?=^\S|\Z)", ""),
        (r"(?<![\w'.])$name(?![\w'])", "answer_$name"),
    ),
)
