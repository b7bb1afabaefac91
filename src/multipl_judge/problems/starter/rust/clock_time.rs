/// Returns a number of seconds as hours, minutes and seconds.
///
/// Minutes and seconds have two digits each, hours as many as they need.
///
/// ```
/// assert_eq!(clock_time(3665), "1:01:05");
/// ```
fn clock_time(seconds: i32) -> String {
// --- solution
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}
