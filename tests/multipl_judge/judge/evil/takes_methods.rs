// A trait's method by value goes before one by reference.
fn double_number(_n: i32) -> Option<i32> {
    None
}
trait Lie {
    fn is_some(self) -> bool;
}
impl Lie for Option<i32> {
    fn is_some(self) -> bool {
        true
    }
}
