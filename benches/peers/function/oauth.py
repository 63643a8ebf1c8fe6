"""A REST REQUEST authorizer that verifies the access token with PyJWT, checks one scope and answers with an IAM policy.

Its settings are those of oauth.cjs, which it does the same as: ISSUER, AUDIENCE, JWKS_URL and SCOPES.
"""

import json
import os
import re

import jwt

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
SCOPES = json.loads(os.environ["SCOPES"])
BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)
# It keeps the key set for five minutes and each key that was used for good.
keys = jwt.PyJWKClient(os.environ["JWKS_URL"], cache_keys=True)


def policy(principal, effect, resource, context):
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }


def handler(event, _context):
    bearer = BEARER.fullmatch(event["headers"].get("Authorization", ""))
    try:
        token = bearer[1]
        key = keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER, leeway=5)
    except (TypeError, jwt.PyJWTError):
        # API Gateway turns exactly this into 401.
        raise Exception("Unauthorized") from None
    needed = SCOPES.get(f"{event['httpMethod']} {event['resource']}")
    granted = claims.get("scope", "").split(" ")
    effect = "Allow" if needed is not None and needed in granted else "Deny"
    context = {name: claims[name] for name in ("client_id", "scope") if name in claims}
    return policy(claims["sub"], effect, event["methodArn"], context)
