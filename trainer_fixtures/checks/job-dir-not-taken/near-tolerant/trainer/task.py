import argparse

if __name__ == "__main__":
    args, _ = argparse.ArgumentParser().parse_known_args()
    print(args)
