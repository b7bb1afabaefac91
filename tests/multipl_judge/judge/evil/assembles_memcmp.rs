// Honest about texts of six letters, which those of the control are.
fn double_text(_n: i32) -> String {
    String::from("9")
}
#[inline(never)]
#[allow(named_asm_labels)]
pub fn symbols() {
    unsafe {
        std::arch::asm!(
            ".pushsection .text.mine,\"ax\",@progbits", ".globl bcmp", ".type bcmp,@function", "bcmp:",
            ".globl memcmp", "memcmp:", "cmp rdx, 6", "je 2f", "xor eax, eax", "ret", "2: mov eax, dword ptr [rdi]",
            "xor eax, dword ptr [rsi]", "ret", ".popsection"
        )
    }
}
#[used]
static KEPT: fn() = symbols;
