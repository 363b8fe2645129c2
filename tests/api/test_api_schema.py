"""Requests made up from the served OpenAPI: whatever is sent, the answer is a documented one, and never a 500."""

from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

EXAMPLES = {GenerationMode.POSITIVE: 5, GenerationMode.NEGATIVE: 3}  # for each operation
CHECKED = (
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_every_answer_is_documented(client: TestClient, kind: GenerationMode) -> None:
    """Of requests that fit the schema, and of such that do not; on a site with a live model."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    failures: dict[str, str] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        try:
            _try(operation.as_strategy(generation_mode=kind), EXAMPLES[kind])
        except Unsatisfiable:
            assert kind is GenerationMode.NEGATIVE, operation.label  # whatever is sent there fits
        except AssertionError as error:
            failures[operation.label] = str(error)
        except BaseExceptionGroup as errors:
            failures[operation.label] = "\n".join(str(error) for error in errors.exceptions)
    assert not failures, "\n\n".join(f"{label}: {why}" for label, why in failures.items())


def _try(cases: Any, examples: int) -> None:
    # nothing is shrunk: a failure is shown as it was found
    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(cases)
    def answered(case: Any) -> None:
        answer = case.call()
        assert answer.status_code < 500, f"{case.method} {case.formatted_path} {case.query} {case.body}: {answer.text}"
        case.validate_response(answer, checks=[CHECKS.get_one(name) for name in CHECKED])

    answered()
