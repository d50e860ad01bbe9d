"""The pre-submit verdict: would this package work in the cloud? Evidence, rules, findings."""
