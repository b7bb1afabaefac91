"""The filter that a compiled program puts over itself before its tests: from then on it becomes no other program.

Processes are refused from outside, but a program must be started once, so nothing outside can refuse `execve`. A
program that may call it starts itself anew when a test has failed, with another guess, until its guesses are right.
"""

import os

# Numbers of execve, execveat and seccomp.
_NUMBERS = {"x86_64": (59, 322, 317), "aarch64": (221, 281, 277)}
_X86_CALL = (
    '    asm volatile(".byte 15, 5" : : "a"(SECCOMPL), "D"(1L), "S"(1L), "d"(&program) : "rcx", "r11", "memory");\n'
)
_ARM_CALL = (
    '    asm volatile("mov x8, #SECCOMP\\n\\tmov x0, #1\\n\\tmov x1, #1\\n\\tmov x2, %0\\n\\tsvc #0"\n'
    '                 : : "r"(&program) : "x0", "x1", "x2", "x8", "memory");\n'
)
# For all threads at once. The number of the system call's own function could be a completion's.
_CPP = """static void harness_seal() noexcept {
    static const unsigned long long filter[] = {FILTER};
    const struct { unsigned short length; const unsigned long long* first; } program = {LENGTH, filter};
CALL}
"""
_RUST = """fn harness_seal() {
    extern "C" {
        fn syscall(number: i64, ...) -> i64;
    }
    #[repr(C)]
    struct Program(u16, *const u64);
    let filter: [u64; LENGTH] = [FILTER];
    let program = Program(LENGTH, filter.as_ptr());
    unsafe { syscall(SECCOMPi64, 1i64, 1i64, &program as *const Program) };
}
"""
_GO = """func harnessSeal() {
	filter := [LENGTH]uint64{FILTER}
	program := struct {
		length uint16
		first  *uint64
	}{LENGTH, &filter[0]}
	harnesssyscall.RawSyscall(SECCOMP, 1, 1, uintptr(harnessunsafe.Pointer(&program)))
}
"""
_TEXTS = {"cpp": _CPP, "rust": _RUST, "go": _GO}


def seal(language: str) -> str:
    """A function of a compiled language, by its harness's name, after which no program can be started.

    It does nothing where the kernel has no filters, or where the table above does not know the machine.

    Args:
        language: "cpp", "rust" or "go".
    """
    text = _TEXTS[language]
    numbers = _NUMBERS.get(os.uname().machine)
    if numbers is None:
        return text[: text.index("{") + 1] + "}\n"
    *starts, seccomp = numbers
    # Load the number of the call; of these two calls the answer is EPERM, any other is allowed.
    load, equal, answer = 0x20, 0x15, 0x06
    words = [load, _word(equal, 1, 0, starts[0]), _word(equal, 0, 1, starts[1])]
    words += [_word(answer, 0, 0, 0x5_0001), _word(answer, 0, 0, 0x7FFF_0000)]
    call = _X86_CALL if starts[0] == 59 else _ARM_CALL
    for name, value in {
        "CALL": call,
        "SECCOMP": str(seccomp),
        "LENGTH": str(len(words)),
        "FILTER": ", ".join(map(str, words)),
    }.items():
        text = text.replace(name, value)
    return text


def _word(code: int, if_true: int, if_false: int, value: int) -> int:
    """A `struct sock_filter` as one number of a machine whose low bytes come first."""
    return code | if_true << 16 | if_false << 24 | value << 32
