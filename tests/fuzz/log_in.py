"""Prints an access token for a local deployment.

log_in.py supervisor|buyer local.json

The supervisor is the one of scripts/up. The buyer is a new account, because the run can close it.
"""

import json
import secrets
import sys
import urllib.request


def post(url: str, body: dict) -> dict:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["data"]


def main(role: str, path: str) -> None:
    with open(path) as file:
        local = json.load(file)
    api = local["api_url"]
    if role == "supervisor":
        account = local["accounts"]["supervisor"]
        credentials = {"email": account["email"], "password": account["password"]}
    else:
        name = secrets.token_hex(8)
        credentials = {"email": f"fuzz-{name}@rialto.example", "password": secrets.token_urlsafe()}
        post(f"{api}/users", credentials | {"name": "Fuzz", "phone": "01701234567"})
    print(post(f"{api}/auth/login", credentials)["access_token"])


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("supervisor", "buyer"):
        sys.exit(__doc__)
    main(*sys.argv[1:])
