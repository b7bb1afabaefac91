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
