"""Runs mutmut's mutants in children of one process that has collected all tests once.

mutmut itself collects the tests for each mutant: seconds, where the test that kills it takes some
milliseconds. Its mutants, its list of which test reaches which function, its exit codes and the
files it keeps them in are used as they are. It runs where `mutmut run` would.
"""
