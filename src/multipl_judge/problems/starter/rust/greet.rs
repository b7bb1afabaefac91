/// Returns a greeting for the given name.
///
/// ```
/// assert_eq!(greet("Ada"), "Hello, Ada!");
/// ```
fn greet(name: &str) -> String {
// --- solution
    format!("Hello, {name}!")
}
