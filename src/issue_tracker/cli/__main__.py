"""`python -m issue_tracker.cli`."""

from issue_tracker.cli import main

if __name__ == "__main__":
    main()
