"""Run the command line: `python -m central_services.command_line`."""

from .app import main

if __name__ == "__main__":
    main()
