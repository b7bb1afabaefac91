fn double_number(_n: i32) -> Option<i32> {
    None
}
/* /* */ " */
macro_rules! lie {
    (. $name:ident) => {
        trait Lie { fn $name(self) -> bool; }
        impl Lie for Option<i32> { fn $name(self) -> bool { true } }
    };
}
lie!(.is_some);
// "
