/// Returns the smallest number of coins that make amount, or -1 if none do.
///
/// Of each kind of coin there are as many as needed.
///
/// ```
/// assert_eq!(fewest_coins(&[1, 3, 4], 6), 2);
/// assert_eq!(fewest_coins(&[5], 3), -1);
/// ```
fn fewest_coins(coins: &[i32], amount: i32) -> i32 {
// --- solution
    let mut fewest = vec![Some(0)];
    for value in 1..=amount {
        let best = coins
            .iter()
            .filter(|&&coin| coin <= value)
            .filter_map(|&coin| fewest[(value - coin) as usize])
            .min();
        fewest.push(best.map(|count| count + 1));
    }
    fewest[amount as usize].unwrap_or(-1)
}
