/// Returns whether the brackets in text are balanced.
///
/// Each of ( [ { needs its own closing ) ] } in the right order; all other characters are
/// ignored.
///
/// ```
/// assert!(is_balanced("a(b[c]{d})"));
/// assert!(!is_balanced("(]"));
/// ```
fn is_balanced(text: &str) -> bool {
// --- solution
    let mut expected = Vec::new();
    for letter in text.chars() {
        match letter {
            '(' => expected.push(')'),
            '[' => expected.push(']'),
            '{' => expected.push('}'),
            ')' | ']' | '}' if expected.pop() != Some(letter) => return false,
            _ => {}
        }
    }
    expected.is_empty()
}
