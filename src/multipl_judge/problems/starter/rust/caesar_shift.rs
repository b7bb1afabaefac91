/// Returns text with each letter moved by shift places in the alphabet.
///
/// After z comes a again; upper and lower case are kept, and so is all that is no letter. A
/// negative shift moves backwards.
///
/// ```
/// assert_eq!(caesar_shift("Hello, xyz!", 3), "Khoor, abc!");
/// assert_eq!(caesar_shift("abc", -1), "zab");
/// ```
fn caesar_shift(text: &str, shift: i32) -> String {
// --- solution
    let places = shift.rem_euclid(26) as u8;
    text.chars()
        .map(|letter| match letter {
            'a'..='z' => ((letter as u8 - b'a' + places) % 26 + b'a') as char,
            'A'..='Z' => ((letter as u8 - b'A' + places) % 26 + b'A') as char,
            _ => letter,
        })
        .collect()
}
