/// Returns the sum of the decimal digits of n.
///
/// A minus sign is ignored.
///
/// ```
/// assert_eq!(sum_of_digits(472), 13);
/// ```
fn sum_of_digits(n: i32) -> i32 {
// --- solution
    let mut rest = n.abs();
    let mut sum = 0;
    while rest > 0 {
        sum += rest % 10;
        rest /= 10;
    }
    sum
}
