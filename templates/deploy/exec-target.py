#!/usr/bin/env python3
"""A target of Gatewright's driver `exec`: instances are processes of this machine, each on a port of its own.

It is a whole example of the protocol in docs/targets.md: one JSON object on standard input, one on standard output. Exit code 0 means done,
75 that it may pass, anything else that it will not do it; the last line of standard error says why.

What is known of instances lies in files in the folder that the variable STATE names, one each, written before the process starts. Each call makes
true what it is asked for, whatever an earlier one has left half done.

    [[target]]
    driver = "exec"
    command = ["/usr/local/lib/gatewright/exec-target.py"]
    secrets = { STATE = "env:WEB_STATE" }
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

STATE = os.environ.get("STATE", "")
STOP_SECS = 5


class MayPass(Exception):
    """What another try may mend."""


def path(name):
    return os.path.join(STATE, name + ".json")


def write(instance):
    """Whole, or not at all: a call that is ended in the middle leaves no half of a file."""
    with open(path(instance["id"]) + ".new", "w") as file:
        json.dump(instance, file)
    os.rename(path(instance["id"]) + ".new", path(instance["id"]))


def known():
    names = sorted(name for name in os.listdir(STATE) if name.endswith(".json"))
    return [json.load(open(os.path.join(STATE, name))) for name in names]


def runs(instance):
    """Whether its process is there, and is no other one with the same number."""
    try:
        with open(f"/proc/{instance['process']}/stat") as file:
            after_name = file.read().rpartition(")")[2].split()
    except (OSError, TypeError):
        return False
    return after_name[0] != "Z" and after_name[19] == instance["started"]


def started(process):
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()[19]


def health(instance):
    if not runs(instance):
        return {"health": "dead", "because": "its process has ended"}
    try:
        with urllib.request.urlopen(f"http://{instance['address']}/healthz", timeout=2) as answer:
            return {"health": "ready"} if answer.status < 400 else {"health": "unhealthy", "because": str(answer.status)}
    except OSError as error:
        if time.time() - instance["at"] < 10:
            return {"health": "starting"}
        return {"health": "unhealthy", "because": str(error)}


def shown(instance):
    keys = ["id", "pool", "address", "config_hash"]
    return {**{key: instance[key] for key in keys}, **health(instance)}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(name, pool):
    address = f"127.0.0.1:{free_port()}"
    instance = {"id": name, "pool": pool["id"], "address": address, "config_hash": pool["config_hash"]}
    instance.update({"process": None, "started": None, "at": time.time()})
    write(instance)
    environment = {**pool["with"], "VERSION": pool["version"], "LISTEN": address}
    environment.pop("program", None)
    # In a session of its own: whatever belongs to this one ends with it.
    process = subprocess.Popen(
        [pool["with"]["program"]],
        env=environment,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    instance.update({"process": process.pid, "started": started(process.pid)})
    write(instance)


def stop(instance):
    if runs(instance):
        os.kill(instance["process"], signal.SIGTERM)
        end = time.time() + STOP_SECS
        while runs(instance) and time.time() < end:
            time.sleep(0.02)
        if runs(instance):
            os.kill(instance["process"], signal.SIGKILL)
    os.unlink(path(instance["id"]))


def plan(request):
    pool = request["pool"]
    if not os.access(pool["with"].get("program", ""), os.X_OK):
        sys.exit("`with` needs `program`, the path of a program on this machine")
    return {"changes": [f"processes of {pool['with']['program']}"]}


def deploy(request):
    pool, wanted = request["pool"], [f"{request['pool']['id']}-{nth}" for nth in range(1, request["replicas"] + 1)]
    for instance in known():
        good = instance["config_hash"] == pool["config_hash"] and runs(instance)
        if instance["pool"] == pool["id"] and not (good and instance["id"] in wanted):
            stop(instance)
    there = [instance["id"] for instance in known()]
    for name in wanted:
        if name not in there:
            start(name, pool)
    return observe(request)


def observe(_request):
    return {"instances": [shown(instance) for instance in known()]}


def remove(request):
    for instance in known():
        if instance["id"] in request["instances"]:
            stop(instance)
    return {}


OPERATIONS = {"plan": plan, "deploy": deploy, "observe": observe, "remove": remove}


def main():
    request = json.load(sys.stdin)
    if request["operation"] not in OPERATIONS:
        sys.exit(f"this program does not do `{request['operation']}`")
    try:
        if not os.path.isdir(STATE):
            raise MayPass(f"the folder `{STATE}` is not there")
        print(json.dumps(OPERATIONS[request["operation"]](request)))
    except MayPass as error:
        print(error, file=sys.stderr)
        sys.exit(75)


if __name__ == "__main__":
    main()
