"""The backend of the solar system example: a Lambda function behind the REST and the HTTP API.

It answers with what was asked for and with the authorizer context that API Gateway passed on,
so that a caller can see what the backend learns from a permit.
"""

import json

BODIES = {
    "planets": ["Mercury", "Venus", "Earth", "Mars", "Jupiter", "Saturn", "Uranus", "Neptune"],
    "moons": ["Moon", "Phobos", "Deimos", "Io", "Europa", "Ganymede", "Callisto", "Titan"],
    "asteroids": ["Ceres", "Vesta", "Pallas", "Hygiea"],
}


def handler(event, _context):
    # REST APIs and payload format 1.0 say path, payload format 2.0 says rawPath.
    path = event.get("path") or event.get("rawPath") or "/"
    name = path.rstrip("/").rsplit("/", 1)[-1]
    if name not in BODIES:
        return answer(404, {"message": "No such thing in this solar system"})
    authorizer = (event.get("requestContext") or {}).get("authorizer")
    return answer(200, {name: BODIES[name], "authorizer": authorizer})


def answer(status, body):
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"},
        "body": json.dumps(body),
    }
