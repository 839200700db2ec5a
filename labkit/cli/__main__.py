"""`python -m labkit.cli`: the command, by the interpreter that runs already."""

from labkit.cli import main

if __name__ == "__main__":
    main()
