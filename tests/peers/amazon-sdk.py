"""Amazon's own SDK calls a pretend Amazon: one order a line on standard input, one answer a line on standard output.

An order names `client_id`, `client_secret` and `refresh_token` to begin with, or an `operation` to call as whom it began, with
`arguments` as the SDK names them; a `body` among them is as it travels, and goes through the SDK's model of it. An answer is what
the SDK made of it: `result`, with `strange`, what its models do not know; or what it raised: the `status` and `body` it was given.
"""
import importlib
import json
import logging
import sys
from datetime import datetime
from types import SimpleNamespace

from spapi import ApiClient, ApiException, Configuration, FeedsApi, ListingsApi, ReportsApi, SellersApi
from spapi.auth.lwa_exception import LwaException
from spapi.auth.lwa_request import AccessTokenCache

logging.disable()
ENDPOINT = sys.argv[1].rstrip("/")
APIS = (SellersApi, ListingsApi, ReportsApi, FeedsApi)
BODIES = {
    "patch_listings_item": "ListingsItemPatchRequest",
    "put_listings_item": "ListingsItemPutRequest",
    "create_report": "CreateReportSpecification",
    "create_feed": "CreateFeedSpecification",
    "create_feed_document": "CreateFeedDocumentSpecification",
}


def begin(order):
    """As `SPAPIClient` does it, but with one attempt at the token host: others follow after seconds, to no other end."""
    who = {name: order[name] for name in ("client_id", "client_secret", "refresh_token")}
    settings = Configuration()
    settings.host = ENDPOINT
    settings.access_token_cache = AccessTokenCache(oauth_endpoint=ENDPOINT + "/auth/o2/token", max_retries=0, **who)
    return ApiClient(configuration=settings)


def is_instant(text):
    datetime.fromisoformat(text.replace("Z", "+00:00"))
    return True


def strange(value, kind, at, models):
    """What the SDK's models do not know, or know otherwise."""
    if kind.lower().startswith("list["):
        return [fault for one in value for fault in strange(one, kind[5:-1], at + "[]", models)]
    if kind in ("object", "Dict[str, object]"):
        return [] if isinstance(value, dict) else [f"{at} is {value!r}, not an object"]
    if kind == "datetime":
        return [] if is_instant(value) else [f"{at} is {value!r}"]
    model = getattr(models, kind, None)
    if model is None:
        kinds = {"str": str, "bool": bool, "int": int}
        return [] if isinstance(value, kinds[kind]) else [f"{at} is {value!r}, not {kind}"]
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    faults = [f"{at}.{name} is unknown" for name in value if name not in names]
    for name in value.keys() & names.keys():
        faults += strange(value[name], model.swagger_types[names[name]], f"{at}.{name}", models)
    return faults


def refused(status, body, models):
    body = json.loads(body)
    errors = body.get("errors") or []
    for error in errors:
        # The model refuses what it must not lack.
        models.Error(**{name: error[json_name] for name, json_name in models.Error.attribute_map.items() if json_name in error})
    return {"status": status, "body": body, "strange": strange(errors, "list[Error]", "errors", models)}


def call(order, client):
    name, arguments = order["operation"], dict(order.get("arguments") or {})
    api = next(api for api in APIS if hasattr(api, name))(client)
    models = importlib.import_module(api.api_models_module)
    if "body" in arguments:
        client.api_models_module = api.api_models_module
        arguments["body"] = client.deserialize(SimpleNamespace(data=json.dumps(arguments["body"])), BODIES[name])
    try:
        result = getattr(api, name)(**arguments)
    except ApiException as error:
        return refused(error.status, error.body, models)
    raw = json.loads(client.last_response.data)
    return {"result": result.to_dict(), "strange": strange(raw, type(result).__name__, "answer", models)}


def carry_out(order, client):
    if "refresh_token" not in order:
        return client, call(order, client)
    try:
        return begin(order), {"result": "begun"}
    except LwaException as error:
        answer = error.__cause__.response
        return client, {"status": answer.status_code, "body": answer.json()}


client = None
for line in sys.stdin:
    client, answer = carry_out(json.loads(line), client)
    print(json.dumps(answer, default=str), flush=True)
