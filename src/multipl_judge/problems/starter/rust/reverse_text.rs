/// Returns text with its letters in reverse order.
///
/// ```
/// assert_eq!(reverse_text("drawer"), "reward");
/// ```
fn reverse_text(text: &str) -> String {
// --- solution
    text.chars().rev().collect()
}
