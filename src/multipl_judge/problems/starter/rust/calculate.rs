/// Returns the value of an arithmetic expression.
///
/// It holds whole numbers, the signs + - and *, round brackets and spaces. Multiplication
/// goes before addition and subtraction; otherwise it is read from left to right.
///
/// ```
/// assert_eq!(calculate("2 + 3 * 4"), 14);
/// assert_eq!(calculate("(2 + 3) * 4"), 20);
/// ```
fn calculate(expression: &str) -> i32 {
// --- solution
    fn factor(rest: &mut &str) -> i32 {
        if accept(rest, '(') {
            let value = sum(rest);
            accept(rest, ')');
            return value;
        }
        let end = rest
            .find(|sign: char| !sign.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        *rest = after;
        digits.parse().unwrap()
    }

    fn product(rest: &mut &str) -> i32 {
        let mut value = factor(rest);
        while accept(rest, '*') {
            value *= factor(rest);
        }
        value
    }

    fn sum(rest: &mut &str) -> i32 {
        let mut value = product(rest);
        loop {
            if accept(rest, '+') {
                value += product(rest);
            } else if accept(rest, '-') {
                value -= product(rest);
            } else {
                return value;
            }
        }
    }

    fn accept(rest: &mut &str, sign: char) -> bool {
        match rest.strip_prefix(sign) {
            Some(after) => {
                *rest = after;
                true
            }
            None => false,
        }
    }

    sum(&mut expression.replace(' ', "").as_str())
}
