"""What Compose makes of variables, so that the topology runs what an engine would run."""

import pytest

from tests.deployment.topology.interpolation import MissingVariable, interpolated

VARIABLES = {"SET": "value", "EMPTY": "", "OTHER": "another"}


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("plain", "plain"),
        ("$SET/${SET}s", "value/values"),
        ("$$SET $${SET}", "$SET ${SET}"),
        ("[$ABSENT${ABSENT}]", "[]"),
        ("${SET:-default} ${ABSENT:-default} ${EMPTY:-default}", "value default default"),
        ("[${EMPTY-default}] ${ABSENT-default}", "[] default"),
        ("${SET:?needed} [${EMPTY?needed}]", "value []"),
        ("[${SET:+there}${EMPTY:+there}${ABSENT+there}]", "[there]"),
        ("${ABSENT:-${EMPTY:-a ${OTHER} word}}", "a another word"),
        ("http://${ABSENT:-host}:80/{x}", "http://host:80/{x}"),
    ],
)
def test_a_reference_means_what_compose_says(text: str, means: str) -> None:
    assert interpolated({"key": [text, 5]}, VARIABLES) == {"key": [means, 5]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${ABSENT:?say it}", "ABSENT: say it"),
        ("${EMPTY:?say ${OTHER}}", "EMPTY: say another"),
        ("a $ alone", "a stray"),
        ("${SET:-open", "an open brace"),
    ],
)
def test_what_cannot_be_interpolated_is_an_error(text: str, said: str) -> None:
    with pytest.raises(MissingVariable, match=said):
        interpolated(text, VARIABLES)
