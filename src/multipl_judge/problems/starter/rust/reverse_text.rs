/// Returns text with its letters in reverse order.
///
/// ```
/// assert_eq!(reverse_text("drawer"), "reward");
/// ```
fn reverse_text(text: &str) -> String {
// --- solution
    text.chars().rev().collect()
}
// --- tests
fn tests() {
    assert_eq!(reverse_text("drawer"), "reward");
    assert_eq!(reverse_text("ab c"), "c ba");
    assert_eq!(reverse_text(""), "");
    assert_eq!(reverse_text("x"), "x");
    assert_eq!(reverse_text("Noon"), "nooN");
}
