/// Returns the numbers from n down to 1, and then the word go!
///
/// They are joined by a comma and a space; n is not negative.
///
/// ```
/// assert_eq!(countdown(3), "3, 2, 1, go!");
/// ```
fn countdown(n: i32) -> String {
// --- solution
    let mut parts: Vec<String> = (1..=n).rev().map(|number| number.to_string()).collect();
    parts.push("go!".to_string());
    parts.join(", ")
}
