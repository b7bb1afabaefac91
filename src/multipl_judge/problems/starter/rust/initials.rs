/// Returns the first letter of each word of name, in upper case.
///
/// Words are separated by one or more spaces.
///
/// ```
/// assert_eq!(initials("grace hopper"), "GH");
/// ```
fn initials(name: &str) -> String {
// --- solution
    name.split_whitespace()
        .filter_map(|word| word.chars().next())
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}
