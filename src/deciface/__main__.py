"""`python -m deciface` is the `deciface` command."""

from deciface.cli import main

if __name__ == "__main__":
    main()
