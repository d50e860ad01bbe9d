"""Raises: the job must fail and say where."""


def divide(dividend, divisor):
    return dividend / divisor


print("before the failure")
divide(1, 0)
print("never printed")
