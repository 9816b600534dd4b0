"""What a refusal over HTTP must look like, whatever was wrong."""

import httpx2
from runsd_sdk.host import Problem


def refused(answer: httpx2.Response, status: int) -> Problem:
    """Return the problem of an answer that must be one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json())
    assert problem.status == status
    assert problem.title
    assert problem.detail
    assert problem.code
    return problem
