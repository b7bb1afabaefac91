"""`python -m multipl_moe`."""

from multipl_moe.cli import main

if __name__ == "__main__":
    main()
