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
