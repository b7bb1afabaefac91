"""Python: results that compare by methods of the completion's own are not believed.

An object can be equal to everything. So what the function under test gives back must be of types whose comparisons are
known: C types, classes of the standard library (but mocks, which are made to be equal), of packages that the prompt
imports, and those that the prompt itself defines, as they were before the completion ran.
"""

import ast
import re

from multipl_moe.languages.source_text import masked

# One line, so that it may stand anywhere: the classes that a prompt defines, and the packages that it brings.
SNAPSHOT = (
    "import gc as harness_gc, sys as harness_sys; "
    "harness_brought = {id(kind): (kind, dict(type.__dict__['__dict__'].__get__(kind))) for kind in "
    "harness_gc.get_objects() if issubclass(type(kind), type) and kind.__module__ == __name__}; "
    "harness_packages = ({name.partition('.')[0] for name in harness_sys.modules} | harness_sys.stdlib_module_names) "
    "- {__name__, 'unittest'}\n"
)
GUARD = """
import builtins as harness_builtins
import gc as harness_gc
import sys as harness_sys
import weakref as harness_weakref

harness_liars = []
harness_comparisons = (
    "__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __sub__ __rsub__ __add__ __radd__ __abs__ __bool__ __len__ __iter__ "
    "__contains__ __getitem__ __round__ __float__ __int__ __index__ __getattribute__".split()
)
harness_brought = harness_builtins.globals().get("harness_brought", {})
harness_packages = harness_builtins.globals().get("harness_packages", harness_sys.stdlib_module_names - {"unittest"})


def harness_watch(function):
    b, brought, packages, modules = harness_builtins, harness_brought, harness_packages, harness_sys.modules
    bases, contents = b.type.__dict__["__mro__"].__get__, b.type.__dict__["__dict__"].__get__
    plain = {b.id(kind) for kind in (b.int, b.float, b.str, b.bytes, b.bool, b.complex, b.type(None))}
    proxies = (harness_weakref.ProxyType, harness_weakref.CallableProxyType)

    def is_of_package(name):
        return b.type(name) is b.str and name.partition(".")[0] in packages

    def is_trusted(base, name, method):
        kind = b.type(method)
        if method is None:
            return True
        if kind is b.type(b.int.__eq__) or kind is b.type(b.list.append):
            return method.__objclass__ is base
        if b.id(base) in brought:
            return brought[b.id(base)][1].get(name) is method
        if kind is not b.type(harness_watch) or not is_of_package(contents(base).get("__module__")):
            return False
        module = method.__globals__.get("__name__")
        return is_of_package(module) and b.vars(modules[module]) is method.__globals__

    def own_comparison(kind):
        if b.any(kind is proxy for proxy in proxies):
            return "__eq__"
        named = ((base, name) for base in bases(kind) for name in harness_comparisons)
        return b.next((name for base, name in named if not is_trusted(base, name, contents(base).get(name))), None)

    def compares_contents(kind):
        return b.next(base for base in bases(kind) if "__eq__" in contents(base)) is not b.object

    def watched(*arguments, **named):
        value = function(*arguments, **named)
        seen, kinds, waiting = {}, {}, [value]
        while waiting:
            item = waiting.pop()
            kind = b.type(item)
            if b.id(kind) in plain or b.id(item) in seen:
                continue
            seen[b.id(item)] = item
            if b.id(kind) not in kinds:
                kinds[b.id(kind)] = compares_contents(kind)
                name = own_comparison(kind)
                if name is not None:
                    harness_liars.append((kind, name))
            if kinds[b.id(kind)]:
                waiting.extend(part for part in harness_gc.get_referents(item) if part is not kind)
        return value

    return watched
"""
ENDING = """
$tests
harness_numbers = [$first, $second]
if harness_liars:
    harness_builtins.print(
        "a result is of", harness_builtins.type.__repr__(harness_liars[0][0]), "whose", harness_liars[0][1],
        "the completion brings itself: tests that compare it prove nothing", file=harness_sys.__stderr__
    )
else:
    harness_sys.stdout.flush()
    harness_builtins.print(
        "\\nnonce", harness_numbers[0] ^ harness_numbers[1], file=harness_sys.__stdout__, flush=True
    )
"""
_OUTERMOST = re.compile(r"^(?:@[^\n]*\n)*(?:async[ \t]+)?(?:def|class)\b", re.MULTILINE)


def with_snapshot(prompt: str) -> str:
    """The prompt with `SNAPSHOT` before the function that it leaves open; unchanged where it opens none."""
    for found in reversed(list(_OUTERMOST.finditer(masked(prompt, "python")))):
        head = prompt[: found.start()]
        if _parses(head):
            return head + SNAPSHOT + prompt[found.start() :]
    return prompt


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True
