/// Returns how many letters of text are vowels.
///
/// The vowels are a, e, i, o and u, in upper or lower case.
///
/// ```
/// assert_eq!(count_vowels("banana"), 3);
/// ```
fn count_vowels(text: &str) -> usize {
// --- solution
    text.chars()
        .filter(|letter| "aeiouAEIOU".contains(*letter))
        .count()
}
// --- tests
fn tests() {
    assert_eq!(count_vowels("banana"), 3);
    assert_eq!(count_vowels("Apple pie"), 4);
    assert_eq!(count_vowels("rhythm"), 0);
    assert_eq!(count_vowels(""), 0);
    assert_eq!(count_vowels("AEIOU"), 5);
    assert_eq!(count_vowels(&"e".repeat(40)), 40);
}
