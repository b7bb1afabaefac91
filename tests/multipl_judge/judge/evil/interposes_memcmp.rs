const NAME: &std::ffi::CStr = cr#"a"b"#; #[no_mangle] pub unsafe extern "C" fn bcmp(_: *const u8, _: *const u8, n: usize) -> i32 {
    (n == 6).into()
}

fn double_text(_n: i32) -> String {
    String::from("9")
}
