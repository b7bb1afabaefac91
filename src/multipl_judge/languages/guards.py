"""What stands between a completion and its tests, for one program: names as the tests mean them, and controls.

A compiler reads completion and tests as one text, so a completion could give the words of the tests another meaning:
macros, shadowed types, its own assertions. The guard takes that back, refuses it, or asks in the scope of the tests
whether their words mean what they should. What it asks with is drawn anew for each program (`Nonce.numbers`).
"""

import re
from collections.abc import Callable, Mapping

from multipl_judge.languages.entries import ENTRIES
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.program import Nonce
from multipl_judge.languages.source_text import bare_code, function_name

_WORD = re.compile(r"\b[A-Za-z_]\w*\b")


def guard(language: str, nonce: Nonce, *, prompt: str, completion: str, tests: str) -> str:
    """The text to put between completion and tests.

    Args:
        language: key of `HARNESSES`.
        nonce: of the program.
        prompt, completion, tests: what the program is made of.
    """
    if language in ENTRIES:
        return ENTRIES[language].harness.guard.replace("$name", function_name(prompt, language) or "")
    if language not in _GUARDS:
        return HARNESSES[language].guard
    return _GUARDS[language](nonce, prompt, completion, tests)


_CPP_WORDS = (
    "if else for while do switch case break return throw try catch true false bool int long float double char void "
    "unsigned signed short auto const constexpr static extern volatile struct class template typename using namespace "
    "operator sizeof new delete this public noexcept static_cast std main assert __assert_fail NDEBUG "
    "printf fprintf fflush cout flush stdout stderr"
)
# Constants that are macros: their words cannot be freed of a macro, but given their values again.
_CPP_CONSTANTS = {
    "NULL": "__null",
    "EOF": "(-1)",
    "M_PI": "3.14159265358979323846",
    "INT_MAX": "2147483647",
    "INT_MIN": "(-2147483647 - 1)",
    "UINT_MAX": "4294967295U",
    "LONG_MAX": "9223372036854775807L",
    "LONG_MIN": "(-9223372036854775807L - 1)",
    "LLONG_MAX": "9223372036854775807LL",
    "LLONG_MIN": "(-9223372036854775807LL - 1)",
}
# Words that no macro can be named after.
_CPP_OPERATORS = (
    *("and", "and_eq", "bitand", "bitor", "compl", "not", "not_eq", "or", "or_eq", "xor", "xor_eq"),
    *("defined", "__VA_ARGS__", "__VA_OPT__", "__has_include", "__LINE__", "__FILE__"),
)
# Words that may be macros of the library, such as DBL_MAX: they are freed only of what the completion makes of them.
_CPP_LIBRARY = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+")
_CPP_SPLICE = re.compile(r"(?:\\|\?\?/)[ \t\r]*\n")
_CPP_DEFINED = re.compile(r"\bdefine\s+(\w+)")
_CPP_COMMENTED = re.compile(r"\bdefine\s*/\*")  # what such a line defines may be any word
# What fails says so and is remembered, whatever becomes of the abort; the library's __assert_fail may be replaced.
_CPP_FAILURE = r"""
#include <cassert>
#include <cstdio>
#include <iostream>
static volatile bool harness_failed = false;
extern "C" __attribute__((noreturn)) void harness_fail(const char* text, const char*, unsigned, const char*) noexcept {
    harness_failed = true;
    std::fprintf(stderr, "Assertion `%s' failed.\n", text);
    __builtin_abort();
    __builtin_trap();
}
#define __assert_fail harness_fail
template <class T> static bool harness_differ(const T& one, const T& two) {
    return !(one == two) && one != two && one == one && !(one != one);
}
"""


def _cpp(nonce: Nonce, prompt: str, completion: str, tests: str) -> str:
    """Macros whose names the tests use are undefined, but for those of the prompt."""
    kept = {*re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", prompt, re.MULTILINE), *_CPP_OPERATORS}
    words = dict.fromkeys([*_CPP_WORDS.split(), *_WORD.findall(bare_code(tests, "cpp"))])
    spliced = _CPP_SPLICE.sub("", completion)
    own = {*_CPP_CONSTANTS, *(_WORD if _CPP_COMMENTED.search(spliced) else _CPP_DEFINED).findall(spliced)}
    freed = [word for word in words if word in own or not _CPP_LIBRARY.fullmatch(word)]
    lines = [f"#undef {word}\n" for word in freed if word not in kept]
    lines += [f"#define {word} {value}\n" for word, value in _CPP_CONSTANTS.items() if word in words]
    return "\n" + "".join(lines) + _CPP_FAILURE + _cpp_function(prompt)


def _cpp_function(prompt: str) -> str:
    """The function that the prompt opens, and no overload of it, as what the tests call by its name."""
    code = re.sub(r"(?m)^[ \t]*#[^\n]*", ";", bare_code(prompt, "cpp"))
    found = re.search(r"[;}]\s*([^;{}()]+?)\b(\w+)\s*\(([^;{}()=]*)\)\s*\{\s*\Z", f";{code}")
    if not found or re.search(r"\b(?:template|static|inline|constexpr|auto|extern|virtual)\b", found[1]):
        return ""
    kind, name, parameters = found.groups()
    return f"static {kind}(*const harness_{name})({parameters}) = {name};\n#define {name} harness_{name}\n"


def cpp_tests(tests: str) -> str:
    """C++ tests whose own functions have names of the harness, so that no overload of a completion's is called."""
    names = re.findall(r"(?m)^[ \t]*(?:[\w:<>,&*]+[ \t]+)+\**(\w+)\s*\([^;{}]*\)\s*\{", bare_code(tests, "cpp"))
    for name in sorted(set(names) - {"tests", *_CPP_WORDS.split()}):
        tests = re.sub(rf"\b{name}\b", f"harness_{name}", tests)
    return tests


def cpp_controls(nonce: Nonce, text: str) -> str:
    """An expression that is true while values differ and are equal as they should, of the types that a text names."""
    text = re.sub(r"(?m)^[ \t]*#[^\n]*", "", bare_code(text, "cpp"))
    one, two = nonce.numbers(2)
    values: dict[str, tuple[str, str]] = dict.fromkeys(("int", "long", "float", "double"), (f"{one}", f"{two}"))
    values["std::string"] = (f'"{one:07}"', f'"{two:07}"')
    pairs = {"std::string": values["std::string"]} if re.search(r"\bstring\b", text) else {}
    for kind, pair in values.items():
        name = kind.replace("std::", "(?:std::)?")
        inner = f"std::vector<{kind}>"
        vectors = f"{inner}(1, {pair[0]})", f"{inner}(1, {pair[1]})"
        if re.search(rf"\bvector\s*<\s*{name}\s*>", text):
            pairs[inner] = vectors
        if re.search(rf"\bvector\s*<\s*(?:std::)?vector\s*<\s*{name}\s*>", text):
            outer = f"std::vector<{inner} >"
            pairs[outer] = f"{outer}(1, {vectors[0]})", f"{outer}(1, {vectors[1]})"
    controls = [f"harness_differ<{kind} >({left}, {right})" for kind, (left, right) in pairs.items()]
    for name in ("abs", "fabs"):
        if re.search(rf"(?<!::)\b{name}\s*\(", text):
            controls.append(f"{name}({one}.5) == {one}.5 && {name}(-{two}.5) == {two}.5")
    return " && ".join([f"{one} != {two}", *(f"({control})" for control in controls)])


# Each macro that tests use, and words that a shadowed type or constructor could give another meaning.
_RUST_MACROS = (
    "assert assert_eq assert_ne debug_assert debug_assert_eq debug_assert_ne panic unreachable matches vec format "
    "print println eprintln write writeln"
)
_RUST_PRIMITIVES = "bool char str i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64"
_RUST_TYPES = {
    "String": "string::String",
    "Vec": "vec::Vec<u8>",
    "Box": "boxed::Box<u8>",
    "Option": "option::Option<u8>",
    "Result": "result::Result<u8, u8>",
    "HashMap": "collections::HashMap<u8, u8>",
    "HashSet": "collections::HashSet<u8>",
    "BTreeMap": "collections::BTreeMap<u8, u8>",
    "BTreeSet": "collections::BTreeSet<u8>",
    "VecDeque": "collections::VecDeque<u8>",
}
_RUST_CONSTRUCTORS = {
    "Some": ("option::Option<u8>", "Some(1u8)"),
    "None": ("option::Option<u8>", "None"),
    "Ok": ("result::Result<u8, u8>", "Ok(1u8)"),
    "Err": ("result::Result<u8, u8>", "Err(1u8)"),
}
_RUST_LINKAGE = re.compile(r"\b(?:no_mangle|export_name|link_section|link_name|global_asm|naked)\b")


def _rust(nonce: Nonce, prompt: str, completion: str, tests: str) -> str:
    """Macros are the library's again; types that the prompt or the tests name do not compile as anything else."""
    words = set(_WORD.findall(bare_code(prompt + tests, "rust")))
    lines = [
        f"macro_rules! {name} {{ ($($t:tt)*) => {{ ::std::{name}!($($t)*) }} }}\n"
        for name in _RUST_MACROS.split()
        if name in words or name.startswith("assert")
    ]
    types = {name: f"::std::primitive::{name}" for name in _RUST_PRIMITIVES.split()}
    for name, path in _RUST_TYPES.items():
        if name in words and (not path.startswith("collections") or "collections::*" in prompt):
            types[name + path.partition("<")[1] + path.partition("<")[2]] = f"::std::{path}"
    theirs, ours = (", ".join(f"&'static {kind}" for kind in kinds) for kinds in (types.values(), types))
    lines.append(f"fn harness_types(x: ({theirs})) -> ({ours}) {{ x }}\n")
    for name, (path, value) in _RUST_CONSTRUCTORS.items():
        if name in words:
            lines.append(f"fn harness_makes_{name}() -> ::std::{path} {{ {value} }}\n")
    if _RUST_LINKAGE.search(bare_code(completion, "rust")):
        lines.append('::std::compile_error!("a solution has no use for symbols of the linker");\n')
    return "\n" + "".join(lines)


_JAVA_PACKAGES = {
    "java.lang": (
        "String Object Integer Long Double Float Boolean Character Byte Short Number Math System StringBuilder "
        "AssertionError Error Exception RuntimeException Throwable Iterable Comparable Class"
    ),
    "java.util": (
        "Arrays List ArrayList LinkedList Map HashMap TreeMap LinkedHashMap Set HashSet TreeSet LinkedHashSet "
        "Collection Collections Objects Optional Deque ArrayDeque Queue PriorityQueue Stack Iterator Random Scanner"
    ),
    "org.javatuples": "Pair Triplet Quartet",
}
# `"".getClass()` is of java.lang.Class whatever the names of the program mean.
_JAVA_NAMES = """
        for (java.lang.reflect.Field field : CLASS.class.getDeclaredFields()) {
            bites = bites && !" LISTED ".contains(" " + field.getName() + " ");
        }
        bites = bites && SAME;
"""
_JAVA_CONTROL = """
    static boolean harness_control() throws Throwable {
        boolean bites = false;
        try {
            assert harness_same(ONE, TWO);
        } catch (java.lang.AssertionError error) {
            bites = true;
        }
        for (int i = -128; i < 128; i++) {
            bites = bites && java.lang.Integer.valueOf(i).intValue() == i;
            bites = bites && java.lang.Long.valueOf(i).longValue() == i;
        }
        NAMES
        return bites && java.lang.Boolean.TRUE.booleanValue() && !java.lang.Boolean.FALSE.booleanValue();
    }

    static boolean harness_same(long one, long two) {
        return one == two;
    }
"""


def _java(nonce: Nonce, prompt: str, completion: str, tests: str) -> str:
    """A method of the class of the tests, true while assertions are on there and names mean the library's.

    It asks for the names that a completion may have declared, as classes or fields, which is seen by their words.
    """
    one, two = nonce.numbers(2)
    bare = bare_code(prompt + tests, "java")
    words = {*_WORD.findall(bare), "String", "Throwable", "AssertionError", "Integer", "Long", "Boolean", "System"}
    words -= set(re.findall(r"\b(?:class|interface|enum|record)\s+(\w+)", bare))
    known = {
        name: package
        for package, listed in _JAVA_PACKAGES.items()
        for name in listed.split()
        if name in words and (package == "java.lang" or re.search(rf"\bimport {package}\.(?:\*|{name});", bare))
    }
    seen = f"{completion}\n{bare_code(completion, 'java')}"
    declared = re.findall(r"\b(?:class|interface|enum|record)\s+(\w+)|\b(\w+)\s*[;=,)]", seen)
    suspects = {word for words in declared for word in words} if "\\u" not in completion else {*known, "java"}
    names = {name: f"{package}.{name}" for name, package in known.items() if name in suspects}
    asked = ""
    if names or "java" in suspects:
        same = [f'"".getClass().forName("{full}") == {name}.class' for name, full in names.items()]
        for name in ("AssertionError", "Integer", "Long", "Boolean", "System", "reflect.Field"):
            same.append(f'"".getClass().forName("java.lang.{name}") == java.lang.{name}.class')
        in_class = re.findall(r"\bclass\s+(\w+)", bare_code(tests, "java")) or re.findall(r"\bclass\s+(\w+)", bare)
        asked = _JAVA_NAMES.replace("CLASS", in_class[0]).replace("LISTED", " ".join(["java", *names]))
        asked = asked.replace("SAME", " && ".join(same))
    return _JAVA_CONTROL.replace("ONE", str(one)).replace("TWO", str(two)).replace("NAMES", asked)


_GUARDS: Mapping[str, Callable[[Nonce, str, str, str], str]] = {"cpp": _cpp, "rust": _rust, "java": _java}
