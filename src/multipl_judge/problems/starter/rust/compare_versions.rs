/// Returns -1, 0 or 1 as version a is older than, equal to or newer than b.
///
/// Versions are whole numbers joined by dots, compared number by number; a number that is
/// missing is 0.
///
/// ```
/// assert_eq!(compare_versions("1.10", "1.9"), 1);
/// assert_eq!(compare_versions("2.0", "2"), 0);
/// ```
fn compare_versions(a: &str, b: &str) -> i32 {
// --- solution
    let parse = |version: &str| -> Vec<u32> {
        version
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect()
    };
    let (mut left, mut right) = (parse(a), parse(b));
    let length = left.len().max(right.len());
    left.resize(length, 0);
    right.resize(length, 0);
    left.cmp(&right) as i32
}
