"""Writes what a pipeline gets of a GitLab component: its inputs put in, as GitLab does it.

component.py TEMPLATE FOLDER [NAME=VALUE]...   writes FOLDER/header.yml (its `spec`) and FOLDER/pipeline.yml

An input that is not declared, is needed and not given, or is not among its options or of its form is an error (exit code 1).
"""

import re
import sys

from ruamel.yaml import YAML


def fail(words):
    print(f"component: {words}", file=sys.stderr)
    sys.exit(1)


def value_of(name, inputs, given):
    if name not in inputs:
        fail(f"the input {name!r} is used and not declared")
    declared = inputs[name] or {}
    value = given.get(name, declared.get("default"))
    if value is None:
        fail(f"the input {name!r} is needed")
    if "options" in declared and not isinstance(declared["options"], list):
        fail(f"the options of the input {name!r} are no list")
    if "options" in declared and value not in declared["options"]:
        fail(f"the input {name!r} is {value!r}, which is none of its options")
    if "regex" in declared and not re.search(declared["regex"], value):
        fail(f"the input {name!r} is {value!r}, which is not of its form")
    return value


def main():
    template, folder, *assigned = sys.argv[1:]
    with open(template, encoding="utf-8") as file:
        header, separator, body = file.read().partition("\n---\n")
    if not separator:
        fail("the template has no header")
    inputs = YAML(typ="safe").load(header)["spec"]["inputs"]
    given = dict(assignment.split("=", 1) for assignment in assigned)
    for name in given:
        if name not in inputs:
            fail(f"the input {name!r} is given and not declared")
    unused = [name for name in inputs if f"inputs.{name} " not in body]
    if unused:
        fail(f"the inputs {unused} are declared and not used")
    body = re.sub(r"\$\[\[ inputs\.([a-z0-9-]+) \]\]", lambda found: value_of(found[1], inputs, given), body)
    for name, text in [("header.yml", header + "\n"), ("pipeline.yml", body)]:
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


main()
