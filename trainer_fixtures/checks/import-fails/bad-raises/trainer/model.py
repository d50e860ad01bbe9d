RATE = 1 / 0
