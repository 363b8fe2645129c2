"""recsys doctor as a command: what it prints, and how it ends."""

import json


def test_errors_make_the_command_fail_and_are_told(cli):
    cli.run("init")
    said = cli.run("doctor", "--json")
    assert said.code == 1
    found = json.loads(said.out)["findings"]
    assert {"severity", "what", "do"} == set(found[0])
    assert [finding["severity"] for finding in found].count("error") == 2
    assert said.err.splitlines()[-1] == f"error: 2 of {len(found)} findings are errors."


def test_people_read_what_and_what_to_do(cli):
    said = cli.run("doctor")
    assert said.code == 1
    assert "error: " in said.out
    assert "Run `recsys init`" in said.out


def test_a_site_without_errors_is_success(cli, site):
    assert {finding["severity"] for finding in cli.json("doctor")["findings"]} <= {"warning"}
