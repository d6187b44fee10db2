"""The tests: every promise held against real parts."""
