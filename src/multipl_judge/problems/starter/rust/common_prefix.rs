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
// --- tests
fn tests() {
    assert_eq!(common_prefix(&["storm", "story", "stop"]), "sto");
    assert_eq!(common_prefix(&["same", "same"]), "same");
    assert_eq!(common_prefix(&["one"]), "one");
    assert_eq!(common_prefix(&[]), "");
    assert_eq!(common_prefix(&["ab", "xy"]), "");
    assert_eq!(common_prefix(&["abc", ""]), "");
    assert_eq!(common_prefix(&["car", "carpet", "care"]), "car");
    assert_eq!(common_prefix(&["xab", "yab"]), "");
}
