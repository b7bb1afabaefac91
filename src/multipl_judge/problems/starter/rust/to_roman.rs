/// Returns n, from 1 to 3999, as a Roman number.
///
/// ```
/// assert_eq!(to_roman(4), "IV");
/// assert_eq!(to_roman(1987), "MCMLXXXVII");
/// ```
fn to_roman(n: i32) -> String {
// --- solution
    let values = [1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1];
    let signs = [
        "M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I",
    ];
    let mut rest = n;
    let mut roman = String::new();
    for (value, sign) in values.into_iter().zip(signs) {
        while rest >= value {
            roman += sign;
            rest -= value;
        }
    }
    roman
}
