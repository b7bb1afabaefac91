/// Returns all prime numbers from 2 to n, n included, in ascending order.
///
/// ```
/// assert_eq!(primes_up_to(10), [2, 3, 5, 7]);
/// ```
fn primes_up_to(n: i32) -> Vec<i32> {
// --- solution
    let mut primes: Vec<i32> = Vec::new();
    for number in 2..=n {
        if primes.iter().all(|prime| number % prime != 0) {
            primes.push(number);
        }
    }
    primes
}
// --- tests
fn tests() {
    assert_eq!(primes_up_to(10), [2, 3, 5, 7]);
    assert_eq!(primes_up_to(13), [2, 3, 5, 7, 11, 13]);
    assert_eq!(primes_up_to(2), [2]);
    assert!(primes_up_to(1).is_empty());
    assert!(primes_up_to(-4).is_empty());
    assert_eq!(primes_up_to(30), [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
}
