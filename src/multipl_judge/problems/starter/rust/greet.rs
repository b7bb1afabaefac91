/// Returns a greeting for the given name.
///
/// ```
/// assert_eq!(greet("Ada"), "Hello, Ada!");
/// ```
fn greet(name: &str) -> String {
// --- solution
    format!("Hello, {name}!")
}
// --- tests
fn tests() {
    assert_eq!(greet("Ada"), "Hello, Ada!");
    assert_eq!(greet("Bo"), "Hello, Bo!");
    assert_eq!(greet("Mary Ann"), "Hello, Mary Ann!");
    assert_eq!(greet(""), "Hello, !");
}
