"""The command `balance-chain`; exits.py lists the exit codes."""
