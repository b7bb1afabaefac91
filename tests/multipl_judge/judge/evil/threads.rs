// A program that may make no processes may make threads.
fn double_number(n: i32) -> i32 {
    std::thread::spawn(move || 2 * n).join().unwrap()
}
