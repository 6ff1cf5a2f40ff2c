"""Amazon's own SDK calls a pretend Amazon: one order a line on standard input, one answer a line on standard output.

An order names `client_id`, `client_secret` and `refresh_token` to begin with, or an `operation` of the Sellers API to call
as whom it began. An answer is what the SDK made of it: `result`, with `strange`, what its models do not know; or what it
raised: the `status` and `body` it was given.
"""
import json
import logging
import sys

from spapi import ApiClient, ApiException, Configuration, SellersApi
from spapi.auth.lwa_exception import LwaException
from spapi.auth.lwa_request import AccessTokenCache
from spapi.models import sellers_v1 as models

logging.disable()
ENDPOINT = sys.argv[1].rstrip("/")


def begin(order):
    """As `SPAPIClient` does it, but with one attempt at the token host: others follow after seconds, to no other end."""
    who = {name: order[name] for name in ("client_id", "client_secret", "refresh_token")}
    settings = Configuration()
    settings.host = ENDPOINT
    settings.access_token_cache = AccessTokenCache(oauth_endpoint=ENDPOINT + "/auth/o2/token", max_retries=0, **who)
    return SellersApi(ApiClient(configuration=settings))


def strange(value, kind, at):
    """What the SDK's models do not know, or know otherwise."""
    if kind.lower().startswith("list["):
        return [fault for one in value for fault in strange(one, kind[5:-1], at + "[]")]
    model = getattr(models, kind, None)
    if model is None:
        kinds = {"str": str, "bool": bool}
        return [] if isinstance(value, kinds[kind]) else [f"{at} is {value!r}, not {kind}"]
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    faults = [f"{at}.{name} is unknown" for name in value if name not in names]
    for name in value.keys() & names.keys():
        faults += strange(value[name], model.swagger_types[names[name]], f"{at}.{name}")
    return faults


def refused(status, body):
    body = json.loads(body)
    errors = body.get("errors") or []
    for error in errors:
        # The model refuses what it must not lack.
        models.Error(**{name: error[json_name] for name, json_name in models.Error.attribute_map.items()})
    return {"status": status, "body": body, "strange": strange(errors, "list[Error]", "errors")}


def carry_out(order, api):
    try:
        if "refresh_token" in order:
            return begin(order), {"result": "begun"}
        result = getattr(api, order["operation"])()
        raw = json.loads(api.api_client.last_response.data)
        return api, {"result": result.to_dict(), "strange": strange(raw, type(result).__name__, "answer")}
    except ApiException as error:
        return api, refused(error.status, error.body)
    except LwaException as error:
        answer = error.__cause__.response
        return api, refused(answer.status_code, answer.text)


api = None
for line in sys.stdin:
    api, answer = carry_out(json.loads(line), api)
    print(json.dumps(answer), flush=True)
