# SPDX-License-Identifier: MIT OR Apache-2.0
"""Looks at TOML files as an editor does: validate.py SCHEMA FILE… says what the JSON Schema does not allow in each."""

import json
import pathlib
import sys
import tomllib

import jsonschema

schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
wrong = 0
for file in sys.argv[2:]:
    for error in validator.iter_errors(tomllib.loads(pathlib.Path(file).read_text())):
        print(f"{file}: {error.json_path}: {error.message}")
        wrong += 1
sys.exit(1 if wrong else 0)
