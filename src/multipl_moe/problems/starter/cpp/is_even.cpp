// Returns whether n is an even number.
//
//     is_even(4) == true
//     is_even(7) == false
bool is_even(int n) {
// --- solution
    return n % 2 == 0;
}
// --- tests
void tests() {
    assert(is_even(4));
    assert(!is_even(7));
    assert(is_even(0));
    assert(is_even(-2));
    assert(!is_even(-3));
}
