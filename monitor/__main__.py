"""`python -m monitor` is the command `marginwatch`."""

from monitor.cli import main

main()
