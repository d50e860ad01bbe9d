def mean(fares):
    return sum(fares) / len(fares)
