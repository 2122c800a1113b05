"""Loaded by schemathesis itself. It sends one id with every order; but an order whose id was there before is not
carried out, so each gets its own. What is not the id of an order stays as it is: it is to be refused."""

import re
from typing import Any
from uuid import uuid4

import schemathesis

ORDER_HEADER = "Idempotency-Key"
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    given = (case.headers or {}).get(ORDER_HEADER)
    if isinstance(given, str) and ID.fullmatch(given):
        case.headers[ORDER_HEADER] = str(uuid4())
