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
from multipl_judge.languages.source_text import bare_code, comments, function_name, without_comments

_WORD = re.compile(r"\b[A-Za-z_]\w*\b")


def guard(language: str, nonce: Nonce, *, prompt: str, completion: str, tests: str) -> str:
    """The text to put between completion and tests."""
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
    "NAN": '(__builtin_nanf(""))',
    "INFINITY": "(__builtin_inff())",
    "errno": "(*__errno_location())",
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
_CPP_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
# The library's `assert` expands to names that a completion may define, so tests have one of the harness's names alone.
# What fails says so and is remembered, whatever becomes of the abort.
_CPP_ASSERT = """#undef assert
#define assert(...) ((__VA_ARGS__) ? (void)0 : harness_fail(#__VA_ARGS__))
"""
_CPP_FAILURE = r"""
#include <cassert>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#pragma GCC reset_options
static volatile bool harness_failed = false;
__attribute__((noreturn)) static void harness_fail(const char* text) noexcept {
    harness_failed = true;
    std::fprintf(stderr, "Assertion `%s' failed.\n", text);
    __builtin_abort();
    __builtin_trap();
}
template <class T> static bool harness_differ(const T& one, const T& two) {
    return !(one == two) && one != two && one == one && !(one != one);
}
"""
_CPP_MAIN = re.compile(r"\bint\s+main\s*\([^)]*\)\s*\{")
_CPP_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b[^\n]*\n", re.MULTILINE)
# Operators and functions that a completion may have given the library's types: in a namespace that has some of their
# names nobody looks for others outside of it, but in the namespaces of the operands.
_CPP_SIGNS = "== != < <= > >= + - * / % & | ^ && ||"
_CPP_SCOPE = "namespace harness_scope {\nstruct Nothing {};\nvoid operator!(Nothing);\n" + "".join(
    f"void operator{sign}(Nothing, Nothing);\n" for sign in _CPP_SIGNS.split()
)
_CPP_FUNCTIONS = "abs fabs sqrt pow floor ceil round fmod"
# A prototype or a part of the library's own namespace means something else within another.
_CPP_UNSCOPED = re.compile(r"^(?:extern\b|namespace\s+std\b|[A-Za-z][^\n;{}=]*\)\s*;)", re.MULTILINE)


def _cpp(nonce: Nonce, prompt: str, completion: str, tests: str) -> str:
    """Macros of the completion are gone, those whose names the tests use too; the prompt's are there again."""
    macros = list(_CPP_MACRO.finditer(prompt))
    words = dict.fromkeys([*_CPP_WORDS.split(), *_WORD.findall(bare_code(tests, "cpp"))])
    spliced = _CPP_SPLICE.sub("", completion)
    own = dict.fromkeys((_WORD if _CPP_COMMENTED.search(spliced) else _CPP_DEFINED).findall(spliced))
    freed = [word for word in words if not _CPP_LIBRARY.fullmatch(word)]
    freed = dict.fromkeys([*freed, *own, *_CPP_CONSTANTS, *(macro[1] for macro in macros)])
    lines = [f"#undef {word}\n" for word in freed if word not in _CPP_OPERATORS]
    lines += [f"#define {word} {value}\n" for word, value in _CPP_CONSTANTS.items()]
    lines += [f"{macro[0]}\n" for macro in macros]
    if re.search(r"push_macro|pop_macro|\b_Pragma\b", spliced):
        lines.append("#error a solution has no use for macros that come back\n")
    return "\n" + "".join(lines) + _CPP_FAILURE + _CPP_ASSERT + _cpp_function(prompt)


def _cpp_function(prompt: str) -> str:
    """The function that the prompt opens, and no overload of it, as what the tests call by its name."""
    code = re.sub(r"(?m)^[ \t]*#[^\n]*", ";", bare_code(prompt, "cpp"))
    found = re.search(r"[;}]\s*([^;{}()]+?)\b(\w+)\s*\(([^;{}()=]*)\)\s*\{\s*\Z", f";{code}")
    if not found or re.search(r"\b(?:template|static|inline|constexpr|auto|extern|virtual)\b", found[1]):
        return ""
    kind, name, parameters = found.groups()
    return f"static {kind}(*const harness_{name})({parameters}) = {name};\n#define {name} harness_{name}\n"


def cpp_tests(tests: str, prompt: str = "") -> str:
    """C++ tests in which names, operators and assertions are not the completion's.

    Their own functions have names of the harness, so that no overload is called: `int main(...)` is `harness_tests()`,
    an int function where it returns a value. They stand in a namespace, unless they or the prompt hold what has its
    meaning outside of one alone.

    Args:
        tests: whose inclusions come first.
        prompt: what the function under test begins with.
    """
    tests = without_comments(tests, "cpp")
    kind = "int" if re.search(r"\breturn\s+[^;]+;\s*\}\s*\Z", tests) else "void"
    tests = _CPP_MAIN.sub(f"{kind} tests() {{", tests, count=1)
    bare = bare_code(tests, "cpp")
    names = re.findall(r"(?m)^[ \t]*(?:[\w:<>,&*]+[ \t]+)+\**(\w+)\s*\([^;{}]*\)\s*\{", bare)
    for name in sorted(set(names) - set(_CPP_WORDS.split())):
        tests = re.sub(rf"\b{name}\b", f"harness_{name}", tests)
    if "operator" in prompt or _CPP_UNSCOPED.search(bare):
        return _CPP_INCLUDE.sub(lambda line: line[0] + _CPP_ASSERT, tests)
    known = {function_name(prompt, "cpp"), *(macro[1] for macro in _CPP_MACRO.finditer(prompt))}
    called = [name for name in _CPP_FUNCTIONS.split() if re.search(rf"\b{name}\s*\(", bare) and name not in known]
    begin = "".join(
        [*_CPP_INCLUDE.findall(tests), _CPP_ASSERT, _CPP_SCOPE, *(f"using std::{name};\n" for name in called)]
    )
    return f"{begin}{_CPP_INCLUDE.sub('', tests)}\n}}\nusing namespace harness_scope;\n"


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
    return " && ".join([f"{one} != {two}", *(f"({control})" for control in controls)])


# Each macro that tests use, and words that a shadowed type or constructor could give another meaning. What asserts is
# counted as it begins and as it ends, so that one that failed is remembered whoever caught it.
_RUST_ASSERTIONS = "assert assert_eq assert_ne debug_assert debug_assert_eq debug_assert_ne"
_RUST_PANICS = "panic unreachable todo unimplemented"
_RUST_MACROS = "matches vec format print println eprint eprintln write writeln concat stringify dbg"
_RUST_COUNT = """static harness_open: ::std::sync::atomic::AtomicUsize = ::std::sync::atomic::AtomicUsize::new(0);
fn harness_begin() {
    harness_open.fetch_add(1, ::std::sync::atomic::Ordering::SeqCst);
}
fn harness_end() {
    harness_open.fetch_sub(1, ::std::sync::atomic::Ordering::SeqCst);
}
"""
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
# Looked for in comments and texts too: no reading of them can then be led astray.
_RUST_LINKAGE = re.compile(r"\b(?:no_mangle|export_name|link_section|link_name|(?:global_|naked_)?asm)\b")
# What tests call by a dot on values of the library. A trait's own method of the name would go before it.
_RUST_METHODS = """
    is_none is_some is_ok is_err is_some_and is_ok_and is_none_or as_ref as_mut as_deref as_str as_slice as_bytes as_ptr
    clone cloned copied to_string to_owned to_vec into_iter iter iter_mut len is_empty contains contains_key starts_with
    ends_with get first last chars bytes lines trim split split_whitespace eq ne lt le gt ge cmp partial_cmp max min abs
    join concat repeat find position count sum product all any map filter collect unwrap expect unwrap_err unwrap_or ok
    err keys values next rev zip enumerate fold hash borrow deref is_nan is_sorted round sqrt powi pow into
"""


def _rust(nonce: Nonce, prompt: str, completion: str, tests: str) -> str:
    """Macros are the library's again; types that the prompt or the tests name do not compile as anything else."""
    words = set(_WORD.findall(bare_code(prompt + tests, "rust")))
    lines = [_RUST_COUNT]
    for names, before, after in (
        (_RUST_ASSERTIONS, "{ $crate::harness_begin(); ", "; $crate::harness_end(); }"),
        (_RUST_PANICS, "{ $crate::harness_begin(); ", " }"),
        (_RUST_MACROS, "", ""),
    ):
        used = (name for name in names.split() if name in words or name.startswith("assert"))
        lines += [
            f"macro_rules! {name} {{ ($($t:tt)*) => {{ {before}::std::{name}!($($t)*){after} }} }}\n" for name in used
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
    if _RUST_LINKAGE.search(completion):
        lines.append('::std::compile_error!("a solution has no use for symbols of the linker");\n')
    if taken := _rust_methods_taken(prompt, completion, tests):
        lines.append(f'::std::compile_error!("the tests use {taken}, so no trait of a solution may have it");\n')
    return "\n" + "".join(lines)


def _rust_methods_taken(prompt: str, completion: str, tests: str) -> str:
    """A method of the library that the tests use and of which a completion's trait may make another; "" if none is.

    Where there is no prompt, or one that speaks of traits, tests may mean the completion's own methods.
    """
    if not re.search(r"\btrait\b", completion):
        return ""
    if any("/*" in comment[2:] for comment in comments(completion, "rust") if comment.startswith("/*")):
        return "no comment in another"
    code = bare_code(completion, "rust")
    if not re.search(r"\btrait\b", code):
        return ""
    words = set(re.findall(r"\w+" if "macro_rules" in code else r"\bfn\s+(?:r#)?(\w+)", code))
    used = set(re.findall(r"\.\s*(\w+)", bare_code(tests, "rust")))
    if not prompt or "trait" in prompt:
        used &= set(_RUST_METHODS.split())
    return min(words & used, default="")


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
