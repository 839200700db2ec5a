"""Get or put an encrypted word of Systems Manager, with an instance's own rights.

::

    parameter.py get NAME REGION    prints it
    parameter.py put NAME REGION    takes it by standard input; a command line is for all to read
"""

from __future__ import annotations

import sys


def main(verb: str, name: str, region: str) -> None:
    """Get or put one word; a fault is one line and status 1."""
    import botocore.exceptions
    import botocore.session

    ssm = botocore.session.get_session().create_client("ssm", region_name=region)
    try:
        if verb == "get":
            print(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"], end="")
        else:
            kind = "String" if name.endswith("/state") else "SecureString"
            ssm.put_parameter(Name=name, Value=sys.stdin.read().strip(), Type=kind, Overwrite=True)
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as fault:
        sys.exit(f"labkit: {name}: {fault}")


if __name__ == "__main__":
    main(*sys.argv[1:])
