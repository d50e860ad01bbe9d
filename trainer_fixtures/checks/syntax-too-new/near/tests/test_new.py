def test():
    assert (n := 1)
