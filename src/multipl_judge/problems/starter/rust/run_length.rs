/// Returns text with each run of an equal letter as its length and the letter.
///
/// A letter that stands alone gets no number. The text holds letters only.
///
/// ```
/// assert_eq!(run_length("aaab"), "3ab");
/// assert_eq!(run_length("xyz"), "xyz");
/// ```
fn run_length(text: &str) -> String {
// --- solution
    let mut runs = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut length = 1;
        while letters.next_if_eq(&letter).is_some() {
            length += 1;
        }
        if length > 1 {
            runs += &length.to_string();
        }
        runs.push(letter);
    }
    runs
}
