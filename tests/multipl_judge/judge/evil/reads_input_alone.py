def double_number(n):
    return 2 * n


if __name__ == "__main__":
    print(double_number(int(input())))
