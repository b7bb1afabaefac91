#[allow(long_running_const_eval)]
const ENDLESS: i32 = {
    let mut n = 0;
    while n >= 0 {
        n = (n + 1) % 1000;
    }
    n
};

fn double_number(n: i32) -> i32 {
    ENDLESS + 2 * n
}
