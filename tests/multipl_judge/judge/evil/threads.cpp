// A program that may make no processes may make threads.
#include <future>
#include <thread>
int double_number(int n) {
    int twice = 0;
    std::thread([&] { twice = n; }).join();
    return std::async(std::launch::async, [=] { return twice + n; }).get();
}
