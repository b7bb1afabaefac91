/// Returns the longest text that all words begin with.
///
/// For no words at all, that is the empty text.
///
/// ```
/// assert_eq!(common_prefix(&["storm", "story", "stop"]), "sto");
/// ```
fn common_prefix(words: &[&str]) -> String {
// --- solution
    let Some(first) = words.first() else {
        return String::new();
    };
    let mut prefix = *first;
    for word in words {
        while !word.starts_with(prefix) {
            prefix = &prefix[..prefix.len() - 1];
        }
    }
    prefix.to_string()
}
