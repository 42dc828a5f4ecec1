"""`make bench`: what the controller costs in time, calls, memory, bytes and money, measured."""
