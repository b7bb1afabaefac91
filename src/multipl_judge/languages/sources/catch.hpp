// What tests of C++ use of Catch2: cases, sections, requirements. A failed one ends the program as a failed assertion.
#include <cmath>
#include <exception>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

namespace harness_catch {

struct Case {
    const char* name;
    void (*run)();
};

inline std::vector<Case>& cases() {
    static std::vector<Case> all;
    return all;
}

struct Registered {
    Registered(const char* name, void (*run)()) { cases().push_back({name, run}); }
};

// A case runs again until each of its sections has run; in one run at most one section of a level is entered.
struct Run {
    std::vector<std::string> path;
    std::vector<bool> taken{false}, pending{false};
    std::set<std::string> done;
};

inline Run& current() {
    static Run run;
    return run;
}

class Section {
    bool entered = false;
    std::string key;

  public:
    explicit Section(const std::string& name) {
        Run& run = current();
        for (const auto& part : run.path) key += part + '\n';
        key += name;
        if (run.done.count(key)) return;
        if (run.taken.back()) {
            run.pending.back() = true;
            return;
        }
        entered = run.taken.back() = true;
        run.path.push_back(name);
        run.taken.push_back(false);
        run.pending.push_back(false);
    }
    ~Section() {
        if (!entered) return;
        Run& run = current();
        const bool is_open = run.pending.back();
        run.path.pop_back();
        run.taken.pop_back();
        run.pending.pop_back();
        if (is_open) run.pending.back() = true;
        else run.done.insert(key);
    }
    explicit operator bool() const { return entered; }
};

inline void run_cases() {
    for (const Case& one : cases()) {
        current() = Run();
        do {
            current().taken = {false};
            current().pending = {false};
            one.run();
        } while (current().pending.back());
    }
}

}  // namespace harness_catch

namespace Catch {

class Approx {
    double value, relative = 1.19e-5, absolute = 0;

  public:
    explicit Approx(double number) : value(number) {}
    Approx& epsilon(double share) { relative = share; return *this; }
    Approx& margin(double distance) { absolute = distance; return *this; }
    friend bool operator==(double number, const Approx& wanted) {
        const double distance = std::fabs(number - wanted.value);
        return distance <= wanted.absolute || distance <= wanted.relative * std::fabs(wanted.value);
    }
    friend bool operator==(const Approx& wanted, double number) { return number == wanted; }
};

}  // namespace Catch
using Catch::Approx;

#define HARNESS_JOIN_(first, second) first##second
#define HARNESS_JOIN(first, second) HARNESS_JOIN_(first, second)
#define HARNESS_FAIL(text) harness_fail(text)
#define HARNESS_CASE(function, name)                                                      \
    static void function();                                                               \
    static harness_catch::Registered HARNESS_JOIN(function, _registered)(name, function); \
    static void function()
#define TEST_CASE(name, ...) HARNESS_CASE(HARNESS_JOIN(harness_case_, __LINE__), name)
#define SECTION(...) if (harness_catch::Section HARNESS_JOIN(harness_section_, __LINE__){__VA_ARGS__})
#define REQUIRE(...) ((__VA_ARGS__) ? (void)0 : HARNESS_FAIL(#__VA_ARGS__))
#define REQUIRE_FALSE(...) (!(__VA_ARGS__) ? (void)0 : HARNESS_FAIL("!(" #__VA_ARGS__ ")"))
#define HARNESS_THROWS(expression, kind, check)       \
    do {                                              \
        bool harness_thrown = false;                  \
        try {                                         \
            (void)(expression);                       \
        } catch (kind) {                              \
            harness_thrown = check;                   \
        }                                             \
        if (!harness_thrown) HARNESS_FAIL(#expression); \
    } while (false)
#define REQUIRE_THROWS(...) HARNESS_THROWS((__VA_ARGS__), ..., true)
#define REQUIRE_THROWS_AS(expression, ...) \
    HARNESS_THROWS(expression, std::remove_cv_t<std::remove_reference_t<__VA_ARGS__>> const&, true)
#define REQUIRE_THROWS_WITH(expression, text) \
    HARNESS_THROWS(expression, const std::exception& harness_error, std::string(harness_error.what()) == (text))
#define REQUIRE_NOTHROW(...) (void)(__VA_ARGS__)
#define CHECK(...) REQUIRE(__VA_ARGS__)
#define CHECK_FALSE(...) REQUIRE_FALSE(__VA_ARGS__)
#define CHECK_THROWS_AS(...) REQUIRE_THROWS_AS(__VA_ARGS__)
#define INFO(...) (void)0
#define CAPTURE(...) (void)0
