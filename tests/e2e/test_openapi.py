"""The OpenAPI description: whole in itself, and true of what the agent answers."""
import pytest
from harness import Cluster

PREFIX = "#/components/schemas/"


@pytest.fixture(scope="module")
def agent():
    with Cluster() as cluster:
        agent = cluster.single()
        api = agent.api()
        api.wait_leader()
        api.wait("a ready node", "/v1/nodes", lambda n: [x for x in n if x["Status"] == "ready"])
        api.put("/v1/jobs", {"Job": {"ID": "web", "Name": "web", "Type": "service", "Datacenters": ["*"], "TaskGroups": [{
            "Name": "g", "Count": 1, "Tasks": [{"Name": "t", "Driver": "raw_exec", "Config": {"command": "/bin/sleep", "args": ["600"]},
                                                 "Resources": {"CPU": 20, "MemoryMB": 16}}]}]}})
        api.wait_allocs("web", lambda allocs: [a for a in allocs if a["ClientStatus"] == "running"])
        yield agent


@pytest.fixture(scope="module")
def description(agent):
    return agent.api().get("/v1/openapi.json")


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_whole_in_itself(description):
    assert description["openapi"].startswith("3.")
    schemas = description["components"]["schemas"]
    assert all(ref.startswith(PREFIX) and ref[len(PREFIX):] in schemas for ref in references(description))
    ids = [op["operationId"] for path in description["paths"].values() for op in path.values()]
    assert len(ids) == len(set(ids)) and len(ids) > 100
    for path, operations in description["paths"].items():
        named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        for operation in operations.values():
            given = [p["name"] for p in operation["parameters"]]
            assert len(given) == len(set(given))
            assert {p["name"] for p in operation["parameters"] if p["in"] == "path"} == named
            assert operation["summary"] and operation["tags"]


def mismatch(value, schema, schemas, where):
    """Where the value is not as described; None if it is. What the description does not name is a mismatch too."""
    if "$ref" in schema:
        return mismatch(value, schemas[schema["$ref"][len(PREFIX):]], schemas, where)
    if value is None:
        return None if schema.get("nullable") or "type" not in schema else f"{where}: null"
    if "allOf" in schema:
        return mismatch(value, schema["allOf"][0], schemas, where)
    kind = schema.get("type")
    wanted = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}.get(kind, object)
    if not isinstance(value, wanted):
        return f"{where}: {value!r} is no {kind}"
    if kind == "array":
        return next(filter(None, (mismatch(v, schema["items"], schemas, f"{where}[]") for v in value)), None)
    if kind == "object":
        inner = schema.get("properties", {})
        more = schema.get("additionalProperties")
        for key, item in value.items():
            if key in inner:
                problem = mismatch(item, inner[key], schemas, f"{where}.{key}")
            elif more is not None:
                problem = mismatch(item, more, schemas, f"{where}.{key}")
            else:
                problem = f"{where}.{key} is not described"
            if problem:
                return problem
    return None


# Added to what the noun has (JSON conventions, 12).
EXTRA = {"/v1/node/{id}": {"Drain"}}


def test_answers_are_as_described(agent, description):
    api = agent.api()
    schemas = description["components"]["schemas"]
    alloc = api.get("/v1/allocations")[0]
    values = {"/v1/job/": "web", "/v1/allocation/": alloc["ID"], "/v1/node/": alloc["NodeID"], "/v1/evaluation/": alloc["EvalID"],
              "/v1/namespace/": "default", "/v1/client/allocation/": alloc["ID"], "/v1/node/pool/": "default"}
    checked = 0
    for path, operations in description["paths"].items():
        answer = operations.get("get", {}).get("responses", {}).get("200", {}).get("content")
        prefix = max((p for p in values if path.startswith(p)), key=len, default=None)
        if not answer or path.count("{") > 1 or ("{" in path and prefix is None):
            continue
        name = path[path.index("{"):path.index("}") + 1] if "{" in path else ""
        try:
            got = api.get(path.replace(name, values[prefix]) if name else path)
        except Exception as refused:  # pylint: disable=broad-except
            assert refused.status in (400, 403, 404), (path, refused)
            continue
        schema = answer["application/json"]["schema"]
        for item in (got if isinstance(got, list) else [got]):
            if isinstance(item, dict):
                for key in EXTRA.get(path, ()):
                    item.pop(key, None)
        problem = mismatch(got, {**schema, "nullable": True} if "$ref" not in schema else schema, schemas, path) if got is not None else None
        assert problem is None
        checked += 1
    assert checked >= 25
