"""The scope of a right as a condition of a query: what lies outside it is not found, whoever forgets to ask."""

from ari_recorder.domain.accounts import Scope


def within(scope: Scope, values: list[object]) -> str:
    """A condition on `recording` and `call`, joined; what it needs is added to `values`."""
    conditions = []
    if scope.queues is not None:
        values.append(sorted(scope.queues))
        conditions.append(f"recording.queue = ANY(${len(values)}::text[])")
    if scope.interfaces is not None:
        values.append(sorted(scope.interfaces))
        conditions.append(
            f"""EXISTS (
                SELECT FROM jsonb_array_elements(call.members) AS member
                WHERE member ->> 'interface' = ANY(${len(values)}::text[])
            )"""
        )
    return " AND ".join(conditions) or "true"
