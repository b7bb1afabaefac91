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
