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
// --- tests
fn tests() {
    assert_eq!(sum_of_digits(472), 13);
    assert_eq!(sum_of_digits(-35), 8);
    assert_eq!(sum_of_digits(0), 0);
    assert_eq!(sum_of_digits(1000), 1);
    assert_eq!(sum_of_digits(99999), 45);
}
