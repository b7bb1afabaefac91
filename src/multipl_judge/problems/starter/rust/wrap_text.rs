/// Returns the words of text in lines of at most width characters.
///
/// Words are separated by spaces; each line takes as many as fit, with one space between two.
/// A word that is longer than width has a line of its own.
///
/// ```
/// assert_eq!(wrap_text("the quick brown fox", 10), ["the quick", "brown fox"]);
/// ```
fn wrap_text(text: &str, width: usize) -> Vec<String> {
// --- solution
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}
// --- tests
fn tests() {
    assert_eq!(
        wrap_text("the quick brown fox", 10),
        ["the quick", "brown fox"]
    );
    assert_eq!(wrap_text("a bb ccc", 4), ["a bb", "ccc"]);
    assert!(wrap_text("", 5).is_empty());
    assert_eq!(
        wrap_text("tiny extraordinary word", 6),
        ["tiny", "extraordinary", "word"]
    );
    assert_eq!(wrap_text("  many   spaces ", 80), ["many spaces"]);
    assert_eq!(wrap_text("aa bb", 5), ["aa bb"]);
    assert_eq!(wrap_text("aa bb", 4), ["aa", "bb"]);
    assert_eq!(wrap_text(&"x".repeat(9), 4), ["xxxxxxxxx"]);
}
