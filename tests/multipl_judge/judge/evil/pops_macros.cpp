    return n;
}
#define assert(condition) ((void)0)
#pragma push_macro("assert")
#define n _Pragma("pop_macro(\"assert\")") renamed
