"""`python -m tests.lab.code SECRET`: what an authenticator with that secret shows now, for who has no phone at hand."""

import sys
import time

import pyotp


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.lab.code SECRET")
    totp = pyotp.TOTP(sys.argv[1].replace(" ", ""))
    print(f"{totp.now()}  for {totp.interval - int(time.time()) % totp.interval} s, and once")


if __name__ == "__main__":
    main()
