"""What goes wrong on purpose. `disk.py` breaks a disk under one function; the others break a whole lab.

python -m tests.faults [name …] [--seed N] [--count N]       `make faults`: every figure, long
tests/faults/test_*.py                                       the same scenarios, short
"""
