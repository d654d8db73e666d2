"""The parts of a cluster for trials and tests. Needs Linux and the standard library of Python 3.11."""
